"""Claims about browsers, tried: does a workgroup size, a shader compiled in advance, or loading at once make anything faster?

Belongs here: the three experiments (`audio_kernel`, `shader_compilation`, `component_loading`), each a set of variants that a
page runs in turns, and what their samples show (`comparing`). Does not belong here: benchmark cells of models (`bench.engine`),
or how the outcome looks (`reports.web_experiments`).
"""
