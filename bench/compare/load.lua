-- The one wrk script of all workloads: the request from arguments, the result as JSON.
-- Unless requests must differ it never defines request() or response(): either would
-- make wrk call Lua for every request, and the client would then be the limit.
--
-- Arguments: method, bytes of body, requests sent at once (pipelining), path.

local VARYING = "{n}"

-- Every request is another: `n` runs through all numbers below 2^31 - 1 but 0, in an
-- order in which neighbours are unlike (Lehmer's generator).
local function make_different(template)
   local parts, n, from = {}, 1, 1
   while true do
      local first, last = template:find(VARYING, from, true)
      if not first then break end
      parts[#parts + 1] = template:sub(from, first - 1)
      from = last + 1
   end
   parts[#parts + 1] = template:sub(from)
   function request()
      n = n * 16807 % 2147483647
      return table.concat(parts, string.format("%08x", n))
   end
end

function init(args)
   local method, size, depth = args[1], tonumber(args[2]), tonumber(args[3])
   wrk.method, wrk.path = method, args[4]
   if size > 0 then
      wrk.body = string.rep("x", size)
   end
   local one = wrk.format()
   if one:find(VARYING, 1, true) then
      make_different(one)
   elseif depth > 1 then
      -- wrk calls format() once after init(), counts the requests in what it returns,
      -- and then waits for as many answers before it sends again.
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
