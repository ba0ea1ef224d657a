-- The one wrk script of all workloads: the request from arguments, the result as JSON.
-- It never defines request() or response(): either would make wrk call Lua for every
-- request, and the client would then be the limit. The request is built once.
--
-- Arguments: method, bytes of body, requests sent at once (pipelining).

function init(args)
   local method, size, depth = args[1], tonumber(args[2]), tonumber(args[3])
   wrk.method = method
   if size > 0 then
      wrk.body = string.rep("x", size)
   end
   if depth > 1 then
      -- wrk calls format() once after init(), counts the requests in what it returns,
      -- and then waits for as many answers before it sends again.
      local one = wrk.format()
      wrk.format = function() return string.rep(one, depth) end
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\n@@{"requests": %d, "microseconds": %d, "bytes": %d, '
      .. '"errors": {"connect": %d, "read": %d, "write": %d, "status": %d, '
      .. '"timeout": %d}, "latency_us": {"p50": %d, "p99": %d, "p999": %d}}\n',
      summary.requests, summary.duration, summary.bytes,
      errors.connect, errors.read, errors.write, errors.status, errors.timeout,
      latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
