"""The machine's Python kernel: IPython's shell behind a Unix socket with framed JSON.

`wire` owns the socket and what is replayed to a client that comes back, `output` the streams,
`shell` IPython, `runtime` the object of that name in the namespace, `__main__` the process.
"""
