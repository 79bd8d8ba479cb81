# The docstrings of the twin, and its signatures, on the compiled functions and classes.
#
# `scripts/docstrings.py` writes them into a table when the extension is built. CPython reads the
# docstring of a static type, method or attribute from a C pointer, which is set here once. The
# version of the sources stands there, too, for `_backend` to compare.

cdef extern from "_speedups_docstrings.h":
    ctypedef struct wscore_docstring:
        const char *owner
        const char *name
        const char *text
    const wscore_docstring *wscore_docstrings
    const char *WSCORE_VERSION

cdef extern from "Python.h":
    ctypedef struct PyMethodDef:
        const char *ml_doc
    ctypedef struct PyGetSetDef:
        const char *doc
    ctypedef struct PyCFunctionObject:
        PyMethodDef *m_ml
    ctypedef struct PyMethodDescrObject:
        PyMethodDef *d_method
    ctypedef struct PyGetSetDescrObject:
        PyGetSetDef *d_getset
    ctypedef struct PyTypeObject:
        const char *tp_doc
        PyObject *tp_dict
    PyTypeObject PyType_Type, PyCFunction_Type, PyMethodDescr_Type, PyGetSetDescr_Type
    PyTypeObject *Py_TYPE(object)
    void PyType_Modified(PyTypeObject *)


cdef int document(object found, const char *text) except -1:
    cdef PyTypeObject *kind = Py_TYPE(found)
    if kind == &PyCFunction_Type:
        (<PyCFunctionObject *>found).m_ml.ml_doc = text
    elif kind == &PyMethodDescr_Type:
        (<PyMethodDescrObject *>found).d_method.ml_doc = text
    elif kind == &PyGetSetDescr_Type:
        (<PyGetSetDescrObject *>found).d_getset.doc = text
    elif kind == &PyType_Type:
        (<PyTypeObject *>found).tp_doc = text
        # Where instances look.
        (<dict>(<PyTypeObject *>found).tp_dict)["__doc__"] = found.__doc__
        PyType_Modified(<PyTypeObject *>found)
    else:
        raise TypeError(f"no docstring can be set on {found!r}")
    return 0


cdef int document_all() except -1:
    cdef const wscore_docstring *entry = wscore_docstrings
    while entry.text != NULL:
        found = globals()[(entry.owner if entry.owner[0] else entry.name).decode()]
        if entry.owner[0] and entry.name[0]:
            found = getattr(found, entry.name.decode())
        document(found, entry.text)
        entry += 1
    return 0


document_all()

VERSION = WSCORE_VERSION.decode()
