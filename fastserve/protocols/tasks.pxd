# What other extensions may use of tasks.pyx. The class of the backport is not
# declared here: on Python >= 3.12 nobody meets it.

cpdef object start_eagerly(object loop, object coro, object context)
