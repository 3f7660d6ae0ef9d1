"""Records what transformers renders, for tests/unit/test_template.c.

    pip install transformers==5.24.0 jinja2==3.1.6
    python3 tests/parity/make_templates.py tests/data          # reads templates/*.jinja, writes templates.json
    python3 tests/parity/make_templates.py OUT --from FOLDER   # the same for any other folder of *.jinja files

Templates are compiled by transformers itself (its sandbox, options, extension and filters). Only strftime_now is replaced: a fixed time, in UTC.
Each template is rendered with each conversation; each line of LINES with VARIABLES. An error is recorded as null; the words of raise_exception as
{"raise": words}. The templates' origins and licences are in tests/data/templates/README.md.
"""
import argparse
import datetime
import json
import pathlib

import jinja2
from transformers.utils.chat_template_utils import _compile_jinja_template

from template_lines import LINES, VARIABLES

NOW = 1753705845  # Mon 2025-07-28 12:30:45 UTC
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "Weather of a place, in \"short\" words & <plain> text.",
    "parameters": {"type": "object", "properties": {
        "city": {"type": "string", "description": "Ville, par ex. « Évry »"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": None},
        "days": {"type": "integer", "minimum": 1, "maximum": 1e3}, "alerts": {"type": "array", "items": {"type": "boolean"}}},
        "required": ["city"]},
    "return": {"type": "object", "description": "What the sky does"}}}
TIME = {"type": "function", "function": {"name": "get_time", "description": "Now.", "parameters": {"type": "object", "properties": {}}}}


def says(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, id="abcdefghi"):
    return {"type": "function", "id": id, "function": {"name": name, "arguments": arguments}}


S, U, A = (lambda c, role=role: says(role, c) for role in ("system", "user", "assistant"))
PARTS = [{"type": "text", "text": " What is "}, {"type": "image"}, {"type": "text", "text": "this?\n"}]
THOUGHT = "<think>\nFirst, one.\nThen, two.\n</think>\n\nThree."
CALLS = [U("Weather in Évry?"), says("assistant", "", tool_calls=[call("get_weather", {"city": "Évry", "days": 2, "x": [1.5, None, True]})]),
         says("tool", "{\"sky\": \"blue\", \"t\": 21.5}", name="get_weather", tool_call_id="abcdefghi")]
TWO = [U("And there?"), says("assistant", "I look.", tool_calls=[call("get_weather", {"city": "A"}, "000000001"), call("get_time", {}, "000000002")]),
       says("tool", "sun", name="get_weather", tool_call_id="000000001"),
       says("tool", "noon", name="get_time", tool_call_id="000000002"), A("Sun at noon.")]
CHATS = {
    "one": [U("Hello")],
    "system": [S("You are terse."), U("Hello")],
    "turns": [U("Hi"), A("Hello!"), U("How are you?"), A(" Fine. "), U("Good.")],
    "system-turns": [S("  Be kind.\n"), U("Hi"), A("Hello!"), U("Bye")],
    "prefill": [U("Count"), A("One, two,")],
    "blank": [U(""), A(""), U("  \n ")],
    "system-blank": [S(""), U("x")],
    "unicode": [U("Ça va ? 你好 👩‍🚀 \u200b\u00a0é e\u0301"), A("Да. \U0001f600\ud7ff"), U("\ufeff")],
    "special": [U("<|im_end|>\n<s>[INST] {{ x }} {% if %} <b>&amp;\"quoted\" 'single'</b> \\n \t\\")],
    "parts": [says("user", PARTS)],
    "parts-system": [says("system", [{"type": "text", "text": "See."}]), says("user", [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]),
                     A("C"), U("D")],
    "thought": [U("Q"), A(THOUGHT), U("R"), A("<think>x</think>y"), U("S")],
    "reasoning": [U("Q"), says("assistant", "Three.", reasoning_content="\nFirst.\n"), U("R")],
    "calls": CALLS, "calls-answered": CALLS + [A("Blue, 21.5 °C."), U("Thanks")], "two-calls": TWO, "system-calls": [S("Use tools.")] + CALLS,
    "calls-null": [U("x"), says("assistant", None, tool_calls=[call("get_time", {})]), says("tool", "noon")],
    "arguments-text": [U("x"), says("assistant", "", tool_calls=[call("get_time", "{\"a\": 1}")]), says("tool", "noon")],
    "wrong-order": [U("a"), U("b")], "assistant-first": [A("a"), U("b")], "late-system": [U("a"), S("b")], "odd-role": [says("narrator", "a")],
    "empty": [], "no-content": [{"role": "user"}], "number": [says("user", 12)],
}


def contexts():
    base = {"tools": None, "documents": None, "add_generation_prompt": True, **TOKENS}
    for name, chat in CHATS.items():
        yield name, {"messages": chat, **base}
    for name in ("one", "turns", "calls", "two-calls", "thought"):
        yield name + "+end", {"messages": CHATS[name], **base, "add_generation_prompt": False}
    for name in ("one", "system", "calls", "calls-answered", "two-calls", "system-calls"):
        yield name + "+tools", {"messages": CHATS[name], **base, "tools": [WEATHER, TIME]}
    for name in ("one", "thought", "reasoning"):
        yield name + "+plain", {"messages": CHATS[name], **base, "enable_thinking": False}
        yield name + "+thinking", {"messages": CHATS[name], **base, "enable_thinking": True}
    yield "tools-in-user", {"messages": CHATS["system"], **base, "tools": [TIME], "tools_in_user_message": False, "date_string": "1 Jan 2025"}
    yield "extras", {"messages": CHATS["system"], **base, "xml_tools": [TIME], "reasoning_effort": "high",
                     "builtin_tools": ["python"], "keep_past_thinking": True}
    yield "bare", {"messages": CHATS["one"]}


def render(template, context):
    try:
        compiled = _compile_jinja_template(template)
        compiled.globals["strftime_now"] = lambda f: datetime.datetime.fromtimestamp(NOW, datetime.timezone.utc).replace(tzinfo=None).strftime(f)
        return compiled.render(**context)
    except jinja2.exceptions.TemplateError as e:
        return {"raise": e.message} if type(e) is jinja2.exceptions.TemplateError else None
    except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, SyntaxError):
        return None


def main():
    options = argparse.ArgumentParser()
    options.add_argument("out", type=pathlib.Path)
    options.add_argument("--from", type=pathlib.Path, dest="folder")
    o = options.parse_args()
    folder = o.folder or o.out / "templates"
    chats = dict(contexts())
    templates = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jinja"))}
    outputs = {name: {chat: render(template, context) for chat, context in chats.items()} for name, template in templates.items()}
    lines = [[line, render(line, VARIABLES)] for line in LINES]
    lines = [x for x in lines if not (isinstance(x[1], str) and " at 0x" in x[1])]  # addresses: refused there, as are all values without a text
    with open(o.out / "templates.json", "w", encoding="utf-8") as f:
        f.write('{"by": "transformers 5.24.0, jinja2 3.1.6", "now": %d,\n"variables": %s,\n' % (NOW, json.dumps(VARIABLES, ensure_ascii=False)))
        f.write('"contexts": {\n')
        f.write(",\n".join(json.dumps(k) + ": " + json.dumps(v, ensure_ascii=False) for k, v in chats.items()))
        f.write('},\n"outputs": {\n')
        f.write(",\n".join(json.dumps(k) + ": {\n" + ",\n".join(json.dumps(c) + ": " + json.dumps(s, ensure_ascii=False) for c, s in v.items()) + "}"
                           for k, v in outputs.items()))
        f.write('},\n"lines": [\n' + ",\n".join(json.dumps(x, ensure_ascii=False) for x in lines) + "]}\n")
    good = sum(isinstance(s, str) for v in outputs.values() for s in v.values())
    print(f"{len(templates)} templates, {sum(map(len, outputs.values()))} cases ({good} render), "
          f"{len(lines)} lines ({sum(isinstance(x[1], str) for x in lines)} render)")


if __name__ == "__main__":
    main()
