"""Over 12,000 lines of mixed text, the same on every run: texts of the tree, and lines drawn with a fixed seed from every kind of character.

Nothing here is newer than Unicode 9: the `tokenizers` package normalises by tables of about that age.
"""

import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FRENCH = """Où est passé l'élève qu'on a vu hier ? — Il s'en est allé, dit-elle, « sans un mot ».
L'œuvre de l'hôpital Saint-Cœur coûte 1 234 567,89 € ; c'est trop !
Aujourd'hui, j'ai mangé des crêpes à l'orée du bois, près de Nîmes.
Ça va ? Non, ça ne va pas : il y a 25 °C dehors et je n'ai qu'un pull…
Il faut qu'ils prissent garde ; d'ores et déjà, l'été s'achève.
Le 14 juillet 1789, la Bastille tomba aux mains du peuple.
Quelqu'un a-t-il vu M. Dupont, Mme Lefèvre et le Dr Noël ?""".splitlines()
ENGLISH = """It's what they've said they'd do; I'm sure we'll see, won't we? Y'ALL'RE LATE, DON'T'VE.
She paid $1,234.56 (i.e. 20% off) at 10:30 a.m. on 03/04/2024.
The naïve café owner's résumé — rôle, façade, coöperate — was "perfect".
See https://example.org/a/b?c=d&e=%20f#g or mail first.last+tag@example.co.uk.
An all-in-one, state-of-the-art re-implementation; version 3.14.15-rc.2+build.7
Call me Ishmael. Some years ago—never mind how long precisely—having little or no money in my purse...""".splitlines()
CODE = r"""def f(x: int = 0) -> str:	return f"{x!r:>{10}}" if x else '\n'
for (size_t i = 0; i < n; ++i) { a[i] ^= (uint8_t)(b[i] << 3 | 0x7fu); } /* ok */
SELECT COUNT(*) AS n FROM "table" WHERE name LIKE '%o''b%' AND x <> -1e-9;
<div class="a b" data-x='{"k":[1,2,null]}'>&nbsp;&#x1F600;</div><!-- <|im_start|> -->
$ grep -rn --include=*.{c,h} 'foo\|bar' ./src | awk '{print $1}' >> out.log 2>&1
	if err != nil { return fmt.Errorf("open %q: %w", path, err) }
#define MAX(a,b) ((a)>(b)?(a):(b)) \
    let v: Vec<&'static str> = "a,b".split(',').map(|s| s.trim()).collect::<Vec<_>>();""".splitlines()
OTHER = """我们在北京大学学习自然语言处理，2024年3月15日。你好，世界！
東京は日本の首都です。ﾊﾝｶｸｶﾅ と カタカナ、ひらがな。「引用」『二重』
안녕하세요 세계, 한국어 문장입니다. 각각의 자모: ㄱㅏㄴ 각
مرحبا بالعالم، كيف حالك اليوم؟ ١٢٣٤٥ — النصُّ مُشَكَّلٌ ﷺ
שלום עולם! בְּרֵאשִׁית בָּרָא אֱלֹהִים אֵת הַשָּׁמַיִם
नमस्ते दुनिया, क्षत्रिय ज्ञान श्रद्धा १२३ क़ ख़
สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง กำลังน้ำ ๑๒๓
Привет, мир! Ёлка и ещё; Київ — столиця України. ЪЫЬ
Γειά σου Κόσμε, ὀξεῖα ᾳ ΐ ΰ ᾷ — Ὀδυσσεύς
வணக்கம் உலகம் ௧௨௩ க்ஷ ஸ்ரீ கொ கோ
Xin chào thế giới: Việt Nam, phở, đường, ữ ậ ộ
İstanbul'da ısıtıldı; ﬁ ﬂ ﬃ ſt ŉ ǆ ㎏ ㌔ ½ ⅓ ² ₃ Ⅷ ① Ａｂｃ １２３ ﾟ
👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇫🇷🇬🇧🇯🇵 ❤️ 🤷🏿‍♀️ 1️⃣ #️⃣ 🧑🏻‍💻 ☺︎ 🏴󠁧󠁢󠁥󠁮󠁧󠁿
Z̸̡̛̪a̷͓͝l̶̰͠g̸̱̈́o̵͙͊ e\u0301e\u0300 a\u0323\u0302 a\u0302\u0323 \u1e9b\u0323 \u212b \u2126 \u0344""".splitlines()

SPACES = [" ", " ", " ", "  ", "\t", "\n", "\r\n", "\r", "\u00a0", "\u3000", "\u2003", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f",
          "\u1680", "\x0b", "\x0c", "\x85", "\n\n\n", " \n ", "\u200b", "\ufeff", "\u2581", "    "]


def span(*ranges):
    return [chr(c) for first, last in ranges for c in range(first, last + 1)]


ALPHABETS = [
    span((0x20, 0x7E)), span((0x61, 0x7A)), span((0x30, 0x39)), span((0, 0x1F), (0x7F, 0x9F)), span((0xA0, 0x17F)), span((0x180, 0x24F)),
    span((0x250, 0x2FF)), span((0x300, 0x36F)), span((0x370, 0x377), (0x384, 0x38A), (0x38E, 0x3A1), (0x3A3, 0x52F)),
    span((0x5D0, 0x5EA), (0x5B0, 0x5C7)),
    span((0x621, 0x65F), (0x660, 0x6D3), (0x6F0, 0x6F9)), span((0x905, 0x94D), (0x958, 0x96F)), span((0xE01, 0xE3A), (0xE40, 0xE5B)),
    span((0x1100, 0x1112), (0x1161, 0x1175), (0x11A8, 0x11C2)), span((0xAC00, 0xAC80)), span((0x1E00, 0x1F15)), span((0x2000, 0x2064)),
    span((0x2070, 0x2071), (0x2074, 0x208E), (0x2100, 0x218B)), span((0x2190, 0x23FA)), span((0x2460, 0x24FF)), span((0x2600, 0x27BF)),
    span((0x3000, 0x303F)), span((0x3041, 0x3096), (0x3099, 0x30FF)), span((0x3200, 0x321E), (0x3300, 0x33FE)), span((0x4E00, 0x4F80)),
    span((0xF900, 0xFA6D)), span((0xFB00, 0xFB06), (0xFB1D, 0xFB36)), span((0xFE00, 0xFE0F), (0xFE20, 0xFE2F)), span((0xFF01, 0xFFBE)),
    span((0xFFF9, 0xFFFD)), span((0x1D400, 0x1D454)), span((0x1F1E6, 0x1F1FF)), span((0x1F300, 0x1F64F)), span((0x1F3FB, 0x1F3FF)),
    ["\u200d", "\ufe0f"],
    span((0x20000, 0x20010), (0x2F800, 0x2FA1D)), span((0xE000, 0xE010), (0xF0000, 0xF0005)), list("'’sStTdDmMlLrReEvVſK"), SPACES,
]
EMOJI = ["👍", "🏽", "\u200d", "👩", "💻", "❤", "\ufe0f", "🇫", "🇷", "🏳", "🌈", "1", "\u20e3", "😀"]


def tree_lines():
    paths = [ROOT / "README.md", ROOT / "Makefile"]
    paths += sorted((ROOT / "src").glob("*/*.[ch]"))[:40] + sorted((ROOT / "models/lib").glob("*.py"))
    lines = [line for path in paths for line in path.read_text(encoding="utf-8").splitlines()][:4000]
    golden = json.loads((ROOT / "tests/golden/smollm2.json").read_text(encoding="utf-8"))
    return lines + [case["text"] for case in golden["tokenizer"]] + [case["prompt"] for case in golden["prompts"]]


def word(rng):
    letters = rng.choice(ALPHABETS)
    return "".join(rng.choice(letters) for _ in range(rng.choice((1, 1, 2, 3, 4, 6, 9))))


def drawn(rng):
    kind = rng.randrange(8)
    if kind == 0:
        return "".join(rng.choice(rng.choice(ALPHABETS)) for _ in range(rng.randrange(1, 40)))
    if kind == 1:
        return "".join(rng.choice(EMOJI) for _ in range(rng.randrange(1, 20)))
    if kind == 2:
        return "".join(rng.choices(SPACES, k=rng.randrange(1, 8))) + word(rng) + "".join(rng.choices(SPACES, k=rng.randrange(6)))
    if kind == 3:
        return "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 30))) + rng.choice(["", ".", ",5", "e9", " 7", "٣٤", "½"])
    if kind == 4:
        head, tail = (rng.choice(rng.choice((FRENCH, ENGLISH, CODE, OTHER))) for _ in range(2))
        return head[:rng.randrange(1, 60)] + rng.choice(SPACES) + tail[rng.randrange(30):]
    return "".join(word(rng) + rng.choice(SPACES) for _ in range(rng.randrange(1, 12)))


def broken(rng):
    """Bytes that are no UTF-8 here and there."""
    raw = bytearray(drawn(rng).encode())
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(raw) + 1)
        what = rng.randrange(3)
        if what == 0:
            raw[at:at] = bytes(rng.randrange(128, 256) for _ in range(rng.randrange(1, 5)))
        elif what == 1:
            del raw[at:at + 1]
        else:
            raw[at:at] = rng.choice((b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\xf0\x9f\x98", b"\xe2\x82", b"\xff\xfe", b"\xef\xbf"))
    return bytes(raw)


def long_lines(rng):
    yield "a" * 100_000
    yield "0123456789" * 10_000
    yield "anticonstitutionnellement" * 2_000
    yield " " * 50_000
    yield "\u0301\u0316" * 10_000 + "e" + "\u0316\u0301" * 10_000
    yield "我们在北京大学学习" * 4_000
    yield "".join(drawn(rng) for _ in range(3_000))[:100_000]
    yield " ".join(FRENCH + ENGLISH) * 60


def lines(seed=2026):
    """[bytes]"""
    rng = random.Random(seed)
    texts = tree_lines() + FRENCH + ENGLISH + CODE + OTHER + ["", " ", "\0", "a\0b", "\ufffd", "\n", "\u2581", "<unk>", "<s>", "</s>", "<0x41>"]
    texts += [chr(c) for c in range(0x250)]
    texts += [drawn(rng) for _ in range(8_000)]
    return [t.encode() for t in texts] + [broken(rng) for _ in range(800)] + [t.encode() for t in long_lines(rng)]
