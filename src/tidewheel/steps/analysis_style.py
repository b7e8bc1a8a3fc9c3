"""The looks of the data analysis page: light or dark as the reader's system is, one column on a phone."""

from __future__ import annotations

STYLE = """
:root { --ink:#1d2733; --dim:#667380; --line:#dfe5ea; --paper:#f6f8f9; --card:#fff; --main:#2f6f9f; --soft:#e3edf4;
  --warm:#c4622d; --cold:#2f6f9f; --urgent:#b3261e; --urgent-soft:#fbe9e7; }
@media (prefers-color-scheme: dark) { :root { --ink:#e4e9ee; --dim:#94a1ad; --line:#2f3a44; --paper:#12181e;
  --card:#1a222a; --main:#6fb1de; --soft:#24323e; --warm:#e58a55; --cold:#6fb1de; --urgent:#ff8a80;
  --urgent-soft:#3a1f1e; } }
* { box-sizing:border-box }
body { margin:0; background:var(--paper); color:var(--ink);
  font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif }
main { max-width:1120px; margin:0 auto; padding:20px 16px 60px }
h1 { font-size:24px; margin:8px 0 2px; overflow-wrap:anywhere } h2 { font-size:18px; margin:36px 0 4px }
h3 { font-size:15px; margin:0; overflow-wrap:anywhere }
p.note,.dim { color:var(--dim); margin:0 0 12px } p.note { max-width:78ch }
.card p.dim { margin:2px 0 0; font-size:12.5px }
nav { display:flex; flex-wrap:wrap; gap:4px 14px; margin:14px 0 } a { color:var(--main); text-decoration:none }
a:hover { text-decoration:underline }
.tiles { display:grid; grid-template-columns:repeat(auto-fit,minmax(130px,1fr)); gap:10px; margin:14px 0 }
.tile,.card { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:12px 14px; min-width:0 }
.tile b { display:block; font-size:20px; font-variant-numeric:tabular-nums }
.cards { display:grid; grid-template-columns:repeat(auto-fill,minmax(min(100%,300px),1fr)); gap:12px }
.card header { display:flex; justify-content:space-between; gap:10px; align-items:baseline; margin-bottom:8px }
.type { color:var(--dim); font-size:12.5px; white-space:nowrap; overflow:hidden; text-overflow:ellipsis; max-width:55% }
dl { display:grid; grid-template-columns:repeat(3,minmax(0,1fr)); gap:4px 10px; margin:10px 0 0; font-size:12.5px }
dt { color:var(--dim) } dd { margin:0; font-variant-numeric:tabular-nums; overflow-wrap:anywhere }
svg { width:100%; height:auto; display:block; overflow:visible } svg text { fill:var(--dim); font-size:10.5px }
.bar { fill:var(--main) } .hit { fill:transparent } g:hover .bar { fill:var(--warm) } .axis { stroke:var(--line) }
.before { fill:none; stroke:var(--warm); stroke-width:1.6 } .line { fill:none; stroke:var(--main); stroke-width:1.8 }
.dot { fill:var(--main) } .warm { fill:var(--warm) } .cold { fill:var(--cold) }
.rows { display:grid; gap:3px; font-size:12.5px } .row { display:grid; align-items:center; gap:8px;
  grid-template-columns:min(38%,230px) 1fr minmax(56px,auto) }
.label { overflow:hidden; text-overflow:ellipsis; white-space:nowrap } .number { text-align:right;
  font-variant-numeric:tabular-nums; white-space:nowrap }
.track { position:relative; height:11px; background:var(--soft); border-radius:3px }
.fill { position:absolute; inset:0 auto 0 0; background:var(--main); border-radius:3px }
.negative { background:var(--warm) }
.tick { position:absolute; top:-2px; bottom:-2px; width:2px; background:var(--warm) }
.scroll { overflow-x:auto } table { border-collapse:collapse; width:100%; font-size:13px }
th { text-align:left; color:var(--dim); font-weight:500 }
th,td { padding:5px 10px 5px 0; border-bottom:1px solid var(--line);
  vertical-align:top } td.n,th.n { text-align:right; font-variant-numeric:tabular-nums; white-space:nowrap }
.pill { display:inline-block; border-radius:9px; padding:0 8px; font-size:12px;
  background:var(--soft); white-space:nowrap }
.pill.urgent { background:var(--urgent-soft); color:var(--urgent) }
@media (max-width:560px) { dl { grid-template-columns:repeat(2,minmax(0,1fr)) } .hide { display:none } }
@media print { .card,.tile { break-inside:avoid } }
"""
