# The ASGI scope of HTTP requests.

from fastserve.protocols.http1 cimport RequestParser
from fastserve.protocols.shared cimport Shared


cdef class ScopeMaker:
    # One connection's.
    cdef Shared _shared
    cdef dict _tls                  #: the `tls` extension; None on a plain connection
    cdef dict _template             #: the scope to copy
    cdef str _method                #: what the template holds
    cdef str _path                  #: likewise, without root_path
    cdef bytes _query               #: likewise
    cdef dict _asgi                 #: likewise, and the next two
    cdef dict _state
    cdef dict _extensions
    cdef int _listed                # the extensions in it: bits of Offer

    cdef dict make(self, RequestParser parser, int offers)
    cdef int _list_extensions(self, int offers) except -1


cdef ScopeMaker new_scope_maker(Shared shared, object transport, dict tls)
cdef int offered(Shared shared, RequestParser parser) noexcept
cdef tuple address(object info)
