"""The ASGI scope of a parsed request: a copy of its connection's template.

The template keeps what the last request had, and the parser gives the same objects for
the same target again: then there is little to store. What one request's application
does to its scope no other request sees.

Never: a byte of the wire, a decision about the request. Of a transport it reads the
addresses alone.
"""

cimport cython
from cpython.dict cimport PyDict_CheckExact, PyDict_Copy
from cpython.object cimport PyObject
from cpython.tuple cimport PyTuple_GET_ITEM, PyTuple_GET_SIZE

from fastserve import extensions
from fastserve.protocols.shared cimport EARLY_HINT, REQUEST_TRAILERS, TRAILERS


cdef extern from *:
    """
    /* How many references there are; without a GIL nobody can tell. */
    #ifdef Py_GIL_DISABLED
    #define fs_owners(object) ((Py_ssize_t)-1)
    #else
    #define fs_owners(object) Py_REFCNT(object)
    #endif
    """
    Py_ssize_t fs_owners(PyObject *)
    bint next_item "PyDict_Next"(
        PyObject *, Py_ssize_t *, PyObject **, PyObject **) noexcept
    Py_ssize_t size_of "PyDict_Size"(PyObject *) noexcept


# By the number of their bit in Offer.
cdef tuple NAMES = extensions.EXTENSIONS


cdef tuple address(object info):
    """(host, port) of a socket's name; None for one that has no host."""
    if type(info) is tuple and len(info) >= 2:
        return (str(info[0]), int(info[1]))
    return None


cdef bint is_as_made(PyObject *kept, PyObject *original) noexcept:
    """Whether a request may be given the last one's copy of a dict of scope's.

    What one request changes no later one may see: so only while nobody else has the
    copy (its owners are the maker and its template) and it holds just what it was
    made with. Saves 7 % of the instructions of a request.
    """
    cdef PyObject *key
    cdef PyObject *value
    cdef PyObject *first
    cdef PyObject *second
    cdef Py_ssize_t at = 0, there = 0

    if fs_owners(kept) != 2 or size_of(kept) != size_of(original):
        return False                    # None has more owners
    while next_item(original, &there, &first, &second):
        if not next_item(kept, &at, &key, &value) or key != first or value != second:
            return False
    return True


cdef bint lists_only(PyObject *kept, int offers) noexcept:
    """Whether the last request's extensions are still these, each with a dict of its
    own that is empty and that nobody else has."""
    cdef PyObject *key
    cdef PyObject *value
    cdef Py_ssize_t at = 0, i

    if fs_owners(kept) != 2:
        return False
    for i in range(PyTuple_GET_SIZE(NAMES)):
        if offers >> i & 1 and not (
                next_item(kept, &at, &key, &value)
                and key == <PyObject *>PyTuple_GET_ITEM(NAMES, i)
                and PyDict_CheckExact(<object>value) and fs_owners(value) == 1
                and size_of(value) == 0):
            return False
    return not next_item(kept, &at, &key, &value)


cdef int offered(Shared shared, RequestParser parser) noexcept:
    """The extensions of HTTP that work for the parsed request: bits of Offer."""
    cdef int offers = shared.offers

    if parser.http10:
        offers &= ~(EARLY_HINT | TRAILERS)
    if not parser.takes_trailers:
        offers &= ~TRAILERS
    if not parser.chunked:
        offers &= ~REQUEST_TRAILERS
    return offers


@cython.final
@cython.freelist(16)
cdef class ScopeMaker:
    """Makes the scopes of one connection's requests."""

    cdef dict make(self, RequestParser parser, int offers):
        """The scope of the parsed request, with these extensions: bits of Offer."""
        cdef Shared shared = self._shared
        cdef dict template = self._template
        cdef dict scope

        if parser.method is not self._method:
            self._method = template["method"] = parser.method
        if parser.path is not self._path:
            self._path = parser.path
            template["path"] = parser.path
            template["raw_path"] = parser.raw_path
            if shared.root_path:
                template["path"] = shared.root_path + parser.path
                template["raw_path"] = shared.root_path_bytes + parser.raw_path
        if parser.query_string is not self._query:
            self._query = template["query_string"] = parser.query_string
        if not is_as_made(<PyObject *>self._asgi, <PyObject *>shared.asgi):
            self._asgi = template["asgi"] = PyDict_Copy(shared.asgi)
        if not is_as_made(
                <PyObject *>self._state, <PyObject *>shared.app_state):
            self._state = template["state"] = PyDict_Copy(shared.app_state)
        if self._tls is not None or offers != self._listed or not lists_only(
                <PyObject *>self._extensions, offers):
            self._list_extensions(offers)
        scope = PyDict_Copy(template)
        scope["headers"] = parser.headers
        if parser.http10:
            scope["http_version"] = "1.0"
        return scope

    cdef int _list_extensions(self, int offers) except -1:
        cdef dict listed = {}
        cdef Py_ssize_t i

        for i in range(PyTuple_GET_SIZE(NAMES)):
            if offers >> i & 1:
                listed[NAMES[i]] = {}
        if self._tls is not None:
            listed["tls"] = self._tls.copy()
        self._extensions = self._template["extensions"] = listed
        self._listed = offers
        return 0


cdef ScopeMaker new_scope_maker(Shared shared, object transport, dict tls):
    """One for a connection; tls is its `tls` extension, None on a plain one."""
    cdef ScopeMaker maker = ScopeMaker.__new__(ScopeMaker)
    cdef object name = transport.get_extra_info("sockname")

    maker._shared = shared
    maker._tls = tls
    maker._template = shared.scope_template(
        transport, address(transport.get_extra_info("peername")),
        (name, None) if type(name) is str else address(name))
    return maker
