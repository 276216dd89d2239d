"""The page that shows the dashboard: textual-serve's script in a page of ours, which loads nothing from elsewhere.

textual-serve's own page takes a style sheet from a font server, runs scripts that stand in the page, and names the
server by an address that need not be the one it was opened at.
"""

from __future__ import annotations

HTML = """\
<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>tracerd top</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/static/css/xterm.css">
    <link rel="stylesheet" href="/page.css">
    <script src="/static/js/textual.js"></script>
    <script src="/page.js" defer></script>
  </head>
  <body>
    <p id="begins">tracerd top begins …</p>
    <div id="terminal" class="textual-terminal" data-font-size="15"></div>
    <p id="ended">The dashboard has ended. <button type="button" id="again">Start it again</button></p>
  </body>
</html>
"""

CSS = """\
@font-face {
  font-family: "Roboto Mono";
  src: url("/static/fonts/RobotoMono-VariableFont_wght.ttf");
  font-weight: 100 700;
}
@font-face {
  font-family: "Roboto Mono";
  src: url("/static/fonts/RobotoMono-Italic-VariableFont_wght.ttf");
  font-weight: 100 700;
  font-style: italic;
}
html, body { margin: 0; height: 100%; overflow: hidden; background: #101418; color: #e6e6e6; }
body, button { font: 15px "Roboto Mono", monospace; }
.textual-terminal { height: 100vh; opacity: 0; }
body.-first-byte .textual-terminal { opacity: 1; }
#begins { position: fixed; margin: 1em; }
body.-first-byte #begins, body.-closed #begins { display: none; }
#ended {
  display: none; position: fixed; z-index: 20; bottom: 0; left: 0; right: 0; margin: 0; padding: .5em 1em;
  background: #e6e6e6; color: #101418;
}
body.-closed #ended { display: block; }
"""

JS = """\
"use strict";
// textual.js has set window.onload, which opens the terminal and the stream at the address that it finds here.
document.getElementById("terminal").dataset.sessionWebsocketUrl = `ws://${location.host}/ws`;
document.getElementById("again").onclick = () => location.reload();
const begin = window.onload;
window.onload = async (event) => {
  // A cell is as large as a letter of the font when the terminal opens: it has to be there.
  const fonts = ["15px", "bold 15px", "italic 15px"].map((style) => `${style} "Roboto Mono"`);
  await Promise.allSettled(fonts.map((font) => document.fonts.load(font)));
  begin(event);
};
// The keys are the dashboard's once its stream is open, and Enter starts it again when it has ended.
const waiting = {"-loaded": ".xterm-helper-textarea", "-closed": "#again"};
new MutationObserver(() => {
  for (const [state, keyboard] of Object.entries(waiting)) {
    if (document.body.classList.contains(state)) {
      delete waiting[state];
      document.querySelector(keyboard).focus();
    }
  }
}).observe(document.body, {attributes: true, attributeFilter: ["class"]});
"""
