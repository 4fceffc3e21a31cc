"""What a cell puts out that would do something to the window: tests/window.rs runs it in a real one."""

from IPython.display import HTML, SVG, Markdown, display

# Whatever of it would run sets `owned` in the page or in the frame's parent.
display(
    HTML(
        """
<form name="body"><input name="closest"></form><form name="addEventListener"></form><img name="documentElement">
<p id="named">named elements</p>
<script>parent.owned = top.owned = "script"</script>
<img src="x" onerror="parent.owned = 'onerror'">
<svg onload="parent.owned = 'onload'"></svg>
<iframe srcdoc="<script>top.owned = 'srcdoc'</script>"></iframe>
<iframe src="javascript:top.owned='frame'"></iframe>
<object data="data:text/html,<script>top.owned='object'</script>"></object>
<meta http-equiv="refresh" content="0;url=https://evil.example/refresh">
<base href="https://evil.example/" target="_top">
<a id="leave" href="https://evil.example/top" target="_top">leave</a>
<a id="run" href="javascript:top.owned='link'" target="_top">run</a>
<a id="open" href="https://evil.example/open" target="_blank">open</a>
<form action="https://evil.example/form" target="_top"><button id="send">send</button></form>
"""
    )
)
display(SVG('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>top.owned = "svg"</script></svg>'))
display(
    Markdown(
        '$\\rule{4000px}{300px}$ [good](https://evil.example "https://good.example") [run](javascript:top.owned=1) '
        '<img src=x onerror="top.owned=\'markdown\'">'
    )
)
print("\x1b]0;owned\x07visible \u202eend")
globals()["na\u2066me"] = 1
