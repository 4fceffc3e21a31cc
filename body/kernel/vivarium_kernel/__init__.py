"""The machine's Python kernel: IPython's shell behind a Unix socket with framed JSON.

`server` owns the socket, `wire` what is replayed to a client that comes back, `output` the streams,
`shell` IPython (and `quick` its short ways), `inputs` what asks the client, `asks` what is answered beside a
cell, `cryo` snapshots, `runtime` the object of that name in the namespace, `__main__` the process.
"""
