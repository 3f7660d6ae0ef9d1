"""The command line where a shell is not enough: pipes that stay open, terminals, signals, full disks, little memory, JSON.

    python3 tests/python/test_cli.py       (standard library only; needs build/loquat)
"""
import json
import math
import os
import pty
import re
import resource
import select
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = str(ROOT / "build/loquat")
CHAT = str(ROOT / "tests/data/tiny-chat.gguf")
LLAMA = str(ROOT / "models/tiny/llama-gqa.gguf")
T5 = str(ROOT / "models/tiny/t5-v1_1.gguf")
FR_EN = str(ROOT / "models/fr-en.gguf")
REPLY = "Hi é€!abcdefgh"
ENDLESS = ["--eos-token-id", "[]", "--max-new-tokens", "1000000", "-c", "60000"]
COMMANDS = ["translate", "generate", "chat", "tokenize", "detokenize", "logits", "info", "quantize", "bench", "perplexity", "embed", "rank",
            "fill-mask", "classify", "ner", "qa"]
ENCODER = str(ROOT / "tests/data/tiny-encoder.gguf")
FILL = str(ROOT / "tests/data/tiny-fill.gguf")


def run(*words, text=None, env=None, **more):
    stdin = {"input": text} if text is not None else {"stdin": subprocess.DEVNULL}
    return subprocess.run([BIN, *map(str, words)], capture_output=True, timeout=120, check=False, cwd=ROOT,
                          env={**os.environ, **(env or {})}, **stdin, **more)


def start(*words, **more):
    return subprocess.Popen([BIN, *map(str, words)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def read_until(fd, wanted, seconds=60):
    got, end = b"", time.monotonic() + seconds
    while wanted not in got and time.monotonic() < end:
        if select.select([fd], [], [], 0.2)[0]:
            part = os.read(fd, 65536)
            if not part:
                break
            got += part
    return got


class Case(unittest.TestCase):
    def refused(self, done, code, *words):
        """The exit code, nothing on stdout, and one sentence that holds the words."""
        said = done.stderr.decode()
        self.assertEqual(done.returncode, code, said)
        self.assertEqual(done.stdout, b"")
        self.assertRegex(said, r"\Aloquat: [^\n]+\n\Z")
        for word in words:
            self.assertIn(word, said)

    def good(self, done):
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return done.stdout.decode()


class Help(Case):
    def test_every_command_has_help_on_stdout(self):
        for command in COMMANDS:
            for words in ([command, "-h"], [command, "--help"], ["help", command]):
                done = run(*words)
                text = self.good(done)
                self.assertIn(f"Usage: loquat {command}", text)
                self.assertIn("Exit codes: 0", text)
                self.assertEqual(done.stderr, b"")
        everything = self.good(run("help"))
        for command in COMMANDS:
            self.assertIn(f"  {command} ", everything)
        self.assertRegex(self.good(run("--version")), r"\Aloquat \d+\.\d+\.\d+\n\Z")

    def test_what_is_unknown_is_named_with_the_nearest(self):
        self.refused(run("translat", "x"), 2, '"translat"', "Did you mean translate?")
        self.refused(run("zebra"), 2, '"zebra"', "loquat help")
        self.refused(run(), 2, "Say what to do")
        self.refused(run("generate", "--temprature", "1", "x"), 2, "--temprature", "Did you mean --temperature?")
        self.refused(run("translate", "--modle", "x"), 2, "--modle", "Did you mean --model?")
        self.refused(run("info", "--jsn", "x"), 2, "Did you mean --json?")
        self.refused(run("generate", "--sparkle", "1"), 2, "no option --sparkle")
        self.refused(run("generate", "-q"), 2, "no option -q")
        self.refused(run("generate", "-temp", "2", "x"), 2, "no option -temp", "Did you mean --temp?")
        self.refused(run("generate", "-top-k", "2", "x"), 2, "no option -top-k", "Did you mean --top-k?")
        self.refused(run("generate", "--num-beam-groups", "4", "-m", LLAMA, "x"), 2, "num_beam_groups is not supported")
        self.refused(run("generate", "-m"), 2, "-m needs a value")
        self.refused(run("info", "--json=1", LLAMA), 2, "takes no value")
        self.refused(run("generate", "-t", "0", "x"), 2, "-t takes a whole number")
        self.refused(run("translate", "-t", "65", "x"), 2, "threads is 65", "1 to 64")


class Options(Case):
    def greedy(self, *words):
        return json.loads(self.good(run("generate", "-m", LLAMA, "--ids", "5,6,7", "--json", *words)))["ids"]

    def test_aliases_of_llama_cpp(self):
        self.assertEqual(self.greedy("-n", "5"), self.greedy("--max-new-tokens", "5"))
        self.assertEqual(self.greedy("-n5"), self.greedy("--max_new_tokens=5"))
        self.assertEqual(self.greedy("--n-predict", "5"), self.greedy("--predict", "5"))
        sampled = ["--do-sample", "-n", "20"]
        self.assertEqual(self.greedy(*sampled, "--temp", "1.5", "-s", "7"), self.greedy(*sampled, "--temperature", "1.5", "--seed", "7"))
        self.assertNotEqual(self.greedy(*sampled, "-s", "7"), self.greedy(*sampled, "-s", "8"))
        self.assertEqual(self.greedy("-n", "20", "--repeat-penalty", "1.9"), self.greedy("-n", "20", "--repetition-penalty", "1.9"))

    def test_the_last_of_two_counts_but_stops_add_up(self):
        self.assertEqual(len(self.greedy("-n", "3", "-n", "5")), 5)
        stops = ["--stop", "xyz", "--stop-strings", "€", "-r", "abc"]
        self.assertEqual(self.good(run("chat", "-m", CHAT, *stops, text=b"x\n")), "Hi é\n")

    def test_sampling_without_do_sample_is_pointed_out(self):
        done = run("generate", "-m", LLAMA, "--ids", "5", "-n", "1", "--temperature", "2")
        self.assertEqual(done.returncode, 0)
        self.assertIn(b"only with --do-sample", done.stderr)


class Translate(Case):
    def test_a_line_in_gives_a_line_out_at_once(self):
        p = start("translate", "-t", "2")
        for line in (b"Bonjour !\n", b"\n", b"Merci.\n"):
            p.stdin.write(line)
            p.stdin.flush()
            got = read_until(p.stdout.fileno(), b"\n")
            self.assertEqual(got.count(b"\n"), 1)
            self.assertEqual(line == b"\n", got == b"\n")
        p.stdin.close()
        self.assertEqual(p.wait(60), 0)
        self.assertEqual(p.stdout.read() + p.stderr.read(), b"")
        p.stdout.close()
        p.stderr.close()

    def test_order_blank_lines_and_a_missing_last_line_feed(self):
        text = "Bonjour.\n\n  \nMerci. Au revoir.\nOui"
        lines = self.good(run("translate", text=text.encode())).split("\n")
        self.assertEqual(len(lines), 6)
        self.assertEqual([lines[1], lines[2], lines[5]], ["", "  ", ""])
        for i, source in ((0, "Bonjour."), (3, "Merci. Au revoir."), (4, "Oui")):
            self.assertEqual(lines[i] + "\n", self.good(run("translate", source)))

    def test_input_that_is_not_utf8(self):
        out = run("translate", text=b"Bonjour \xff\xfe !\n\xc3\n")
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertEqual(out.stdout.decode().count("\n"), 2)

    def test_ctrl_c_while_it_waits(self):
        p = start("translate")
        p.stdin.write(b"Oui\n")
        p.stdin.flush()
        read_until(p.stdout.fileno(), b"\n")
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(60), 130)
        self.assertEqual(p.communicate(), (b"", b""))

    def test_default_model(self):
        with tempfile.TemporaryDirectory() as folder:
            alone = shutil.copy(BIN, folder)
            done = subprocess.run([alone, "translate", "Oui"], cwd=folder, capture_output=True, check=False, env={"PATH": ""})
            self.refused(done, 2, "models/fr-en.gguf", "LOQUAT_MODEL")
            done = subprocess.run([alone, "translate", "Oui"], cwd=folder, capture_output=True, check=False, env={"LOQUAT_MODEL": FR_EN})
            self.assertEqual(done.stdout, b"Yes\n", done.stderr)
            for place in ("fr-en.gguf", "models/fr-en.gguf"):
                Path(folder, place).parent.mkdir(exist_ok=True)
                Path(folder, place).symlink_to(FR_EN)
                done = subprocess.run([alone, "translate", "Oui"], cwd="/", capture_output=True, check=False, env={})
                self.assertEqual(done.stdout, b"Yes\n", done.stderr)
                Path(folder, place).unlink()

    def test_languages(self):
        self.assertEqual(self.good(run("translate", "--to", "fr", "Yes")), self.good(run("translate", "--from", "en", "Yes")))
        self.refused(run("translate", "--from", "fr", "--to", "klingon", "Oui"), 2, '"klingon"', "it knows")
        self.refused(run("translate", "-m", LLAMA, "--to", "en", "Oui"), 1, "cannot translate")
        self.refused(run("translate", "--from", "fr", "--to", "", "Oui"), 2, "--to LANG", "knows fr, en.")
        self.refused(run("translate", " "), 2, "text is empty")
        self.refused(run("translate", "-p", "Oui", "-f", "/dev/null"), 2, "once")
        self.refused(run("translate", "-f", "/tmp"), 1, "/tmp could not be read", "directory")
        self.refused(run("tokenize", "-m", CHAT, "-f", "/tmp"), 1, "/tmp could not be read", "directory")
        for option, name, most in (("--parallel", "n_seq", 256), ("-c", "n_ctx", 1048576), ("-b", "n_batch", 4096), ("--source-length", "n_src", 8192)):
            self.refused(run("translate", option, most + 1, "Oui"), 2, str(most + 1), name, str(most))
        self.assertEqual(self.good(run("translate", "Je", "suis", "étudiant")), self.good(run("translate", "Je suis étudiant")))

    def test_a_translation_that_a_limit_ends_is_pointed_out(self):
        for words, noted in ((["-c", "4"], True), (["-n", "3"], False), ([], False)):
            done = run("translate", *words, "Je suis étudiant en France.")
            self.assertEqual((done.returncode, done.stderr.startswith(b"loquat: note: 1 of the translations")), (0, noted), done.stderr)

    def test_text_longer_than_the_context_is_cut_into_sentences(self):
        long = "Bonjour. " * 40
        out = self.good(run("translate", "--source-length", "16", "-c", "16", long))
        self.assertGreater(len(out), 200)


class Generate(Case):
    def test_json(self):
        got = json.loads(self.good(run("generate", "-m", CHAT, "-p", "\n", "--json")))
        self.assertEqual(got["text"], REPLY)
        self.assertEqual(len(got["ids"]), len(REPLY.encode()) + 1)
        self.assertEqual((got["finish_reason"], got["usage"]["prompt_tokens"], got["usage"]["completion_tokens"]), ("eos", 1, len(got["ids"])))
        self.assertEqual(json.loads(self.good(run("generate", "-m", CHAT, "-p", "\n", "--json", "-n", "3")))["finish_reason"], "length")
        self.assertEqual(json.loads(self.good(run("generate", "-m", CHAT, "-p", "\n", "--json", "--stop", "€")))["finish_reason"], "stop")
        self.assertEqual(json.loads(self.good(run("generate", "-m", CHAT, "-p", "\n", "--json", "-c", "9")))["finish_reason"], "context")
        done = run("generate", "-m", CHAT, "-p", "\n", "-c", "9")
        self.assertEqual((done.returncode, done.stderr), (0, b"loquat: note: the context is full; -c N makes room for more.\n"))

    def test_prompt_by_every_way(self):
        with tempfile.NamedTemporaryFile() as f:
            f.write(b"\n")
            f.flush()
            for words, text in ((["-p", "\n"], None), (["\n"], None), (["-f", f.name], None), (["-f", "-"], b"\n"), ([], b"\n")):
                self.assertEqual(self.good(run("generate", "-m", CHAT, *words, text=text)), REPLY + "\n")
        self.refused(run("generate", "-m", CHAT, "-p", "a", "b"), 2, "once")
        self.refused(run("generate", "-m", CHAT, "-p", ""), 2, "prompt is empty")
        self.refused(run("generate", "-m", CHAT, "-f", "/nowhere"), 1, "/nowhere")
        done = subprocess.run(["sh", "-c", 'exec "$0" generate -m "$1" <&-', BIN, CHAT], cwd=ROOT, capture_output=True, check=False)
        self.refused(done, 1, "Standard input could not be read")
        self.refused(run("generate", "-p", "x", env={"LOQUAT_MODEL": ""}), 2, "-m MODEL")
        self.refused(run("generate", "-m", CHAT, "-c", "8", "-p", "0123456789"), 1, "10 tokens", "context holds 8")

    def test_streams_and_stops_at_ctrl_c(self):
        p = start("generate", "-m", CHAT, "-p", "\n", *ENDLESS)
        self.assertTrue(read_until(p.stdout.fileno(), b"Hi"))
        p.send_signal(signal.SIGINT)
        rest, said = p.communicate(timeout=60)
        self.assertEqual((p.returncode, said), (130, b""))
        self.assertTrue(rest.endswith(b"\n"))

    def test_a_closed_pipe_ends_it_quietly(self):
        p = start("generate", "-m", CHAT, "-p", "\n", *ENDLESS)
        read_until(p.stdout.fileno(), b"Hi")
        p.stdout.close()
        self.assertEqual(p.wait(60), -signal.SIGPIPE)
        self.assertEqual(p.stderr.read(), b"")
        p.stdin.close()
        p.stderr.close()

    def test_output_that_cannot_be_written(self):
        for words in (["generate", "-m", CHAT, "-p", "\n"], ["translate", "Oui"], ["info", LLAMA], ["help"], ["logits", "-m", LLAMA, "--ids", "1"]):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([BIN, *words], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(done.returncode, 1, words)
            self.assertRegex(done.stderr.decode(), r"\Aloquat: Standard output could not be written: No space left on device\.\n\Z")
            done = subprocess.run(["sh", "-c", 'exec "$0" "$@" >&-', BIN, *words], cwd=ROOT, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                                  check=False)
            self.assertEqual(done.returncode, 1, words)


class Chat(Case):
    def test_on_a_pipe(self):
        done = run("chat", "-m", CHAT, "--system", "Be kind.", text=b"hello\n\n/clear\nand again\n/exit\nnot read\n")
        self.assertEqual(self.good(done), f"{REPLY}\n{REPLY}\n")
        self.assertEqual(done.stderr, b"")
        self.assertEqual(self.good(run("chat", "-m", CHAT, text=b"\xff\xc3\x00\n")), f"{REPLY}\n")
        self.refused(run("chat", "-m", CHAT, "word"), 2, '"word"')
        self.refused(run("chat", "-m", FR_EN, text=b"x\n"), 1, "cannot chat")
        self.refused(run("chat", "-m", CHAT, "-c", "40", text=b"0123456789012345678901234567890123456789\n"), 1, "context holds 40")

    def test_on_a_terminal_ctrl_c_stops_the_reply_and_again_leaves(self):
        main, p = self.on_a_terminal()
        os.write(main, b"hello\r")
        self.assertIn(b"Hi", read_until(main, b"efgh"))
        os.write(main, b"\x03")
        self.assertIn(b"(stopped)", read_until(main, b"> "))
        os.write(main, b"more\r")
        self.assertIn(b"Hi", read_until(main, b"efgh"))
        os.write(main, b"\x03")
        read_until(main, b"> ")
        os.write(main, b"\x03")
        self.assertEqual(p.wait(60), 130)
        os.close(main)

    def test_the_conversation_is_what_the_model_is_given(self):
        def tokens(*words, lines):  # of the prompt of the last line, which is too long for the context: a byte is a token here
            done = run("chat", "-m", CHAT, "-c", "150", *words, text="\n".join([*lines, "x" * 150]).encode())
            self.assertEqual(done.returncode, 1)
            return int(re.search(rb"the prompt has (\d+) tokens", done.stderr)[1])
        alone = tokens(lines=[])
        self.assertEqual(tokens("--system", "abcd", lines=[]) - tokens("--system", "ab", lines=[]), 2)
        self.assertGreater(tokens("-n", "3", lines=["a"]), alone)
        self.assertEqual(tokens("-n", "3", lines=["abc"]) - tokens("-n", "3", lines=["a"]), 2)
        self.assertEqual(tokens("-n", "2", lines=["a"]) - tokens("-n", "1", lines=["a"]), 1)  # the reply so far
        self.assertEqual(tokens("-n", "3", lines=["a", "b", "/clear"]), alone)
        self.assertEqual(tokens("--system", "ab", "-n", "3", lines=["a", "/clear"]), tokens("--system", "ab", lines=[]))

    def test_ctrl_c_while_the_terminal_takes_no_more(self):
        main, p = self.on_a_terminal()
        os.write(main, b"hello\r")
        asleep = 0
        while asleep < 20: # nobody reads, so in the end it waits in a write
            with open(f"/proc/{p.pid}/stat", encoding="ascii") as stat:
                asleep = asleep + 1 if stat.read().rsplit(")", 1)[1].split()[0] == "S" else 0
            time.sleep(0.05)
        os.write(main, b"\x03")
        self.assertIn(b"(stopped)", read_until(main, b"(stopped)"))
        os.write(main, b"\x03")
        self.assertEqual(p.wait(60), 130)
        os.close(main)

    def on_a_terminal(self):
        main, other = pty.openpty()
        p = subprocess.Popen([BIN, "chat", "-m", CHAT, *ENDLESS], cwd=ROOT, stdin=other, stdout=other, stderr=other, start_new_session=True,
                             preexec_fn=lambda: __import__("fcntl").ioctl(0, __import__("termios").TIOCSCTTY, 0))
        os.close(other)
        read_until(main, b"> ")
        return main, p

    def test_on_a_terminal_a_full_context_is_no_end(self):
        main, other = pty.openpty()
        p = subprocess.Popen([BIN, "chat", "-m", CHAT, "-c", "40"], cwd=ROOT, stdin=other, stdout=other, stderr=other, start_new_session=True)
        os.close(other)
        read_until(main, b"> ")
        os.write(main, b"0123456789012345678901234567890123456789\r")
        first = read_until(main, b"\n> ")
        self.assertIn(b"context holds 40", first)
        os.write(main, b"0123456789012345678901234567890123456789\r")  # the turn before it did not happen
        self.assertEqual(re.findall(rb"has \d+ tokens", read_until(main, b"\n> ")), re.findall(rb"has \d+ tokens", first))
        os.write(main, b"/exit\r")
        self.assertEqual(p.wait(60), 0)
        os.close(main)


class Numbers(Case):
    def logits(self, *words):
        return json.loads(self.good(run("logits", *words)))

    def test_logits(self):
        every = self.logits("-m", LLAMA, "--ids", "1,2,3")["logits"]
        top = self.logits("-m", LLAMA, "--ids", "[1, 2, 3]", "--top", "4")["top"]
        best = sorted(range(len(every)), key=lambda i: (-every[i], i))[:4]
        self.assertEqual([t["id"] for t in top], best)
        self.assertEqual([t["logit"] for t in top], [every[i] for i in best])
        self.assertIsNone(top[0]["text"])
        self.assertEqual(self.logits("-m", CHAT, "--ids", "13", "--top", "1")["top"][0]["text"], "H")
        self.assertEqual(len(self.logits("-m", CHAT, "--ids", "13," * 5000)["logits"]), len(self.logits("-m", CHAT, "--ids", "13")["logits"]))
        self.assertNotEqual(self.logits("-m", T5, "--ids", "1,2", "--decoder-ids", "0,5"), self.logits("-m", T5, "--ids", "1,2"))
        for words, code, word in ((["--ids", "1,600000"], 2, "600000"), (["--ids", "x"], 2, '"x"'), (["--ids", ""], 2, "no id"), ([], 2, "--ids"),
                                  (["--ids", "1", "--decoder-ids", "1"], 1, "decoder ids"), (["--ids", "1", "word"], 2, '"word"')):
            self.refused(run("logits", "-m", LLAMA, *words), code, word)

    def test_perplexity_is_that_of_the_logits(self):
        text, n_ctx = ("abc Hi é€!abcdefgh xyz " * 3).encode(), 16
        ids = json.loads(self.good(run("tokenize", "-m", CHAT, text.decode())))
        nll, count = 0.0, 0
        for at in range(0, len(ids) - n_ctx + 1, n_ctx):
            for i in range(n_ctx // 2, n_ctx):
                x = self.logits("-m", CHAT, "--ids", ",".join(map(str, ids[at:at + i])))["logits"]
                top = max(x)
                nll += top + math.log(sum(math.exp(v - top) for v in x)) - x[ids[at + i]]
                count += 1
        got = json.loads(self.good(run("perplexity", "-m", CHAT, "-c", n_ctx, "-b", 3, "--json", "-", text=text)))
        self.assertEqual((got["tokens"], got["n_ctx"]), (count, n_ctx))
        self.assertAlmostEqual(got["nll_per_token"], nll / count, places=4)
        self.assertAlmostEqual(got["perplexity"], math.exp(got["nll_per_token"]), delta=1e-3 * got["perplexity"])
        self.refused(run("perplexity", "-m", CHAT, "-", text=b""), 2, "empty")
        self.refused(run("perplexity", "-m", CHAT, "-", text=b"a"), 2, "at least 2")
        self.refused(run("perplexity", "-m", FR_EN, "-", text=b"Bonjour"), 1, "decoder-only")

    def test_bench(self):
        rows = json.loads(self.good(run("bench", "-m", CHAT, "-p", "16", "-n", "8", "-t", "1,2", "-r", "2", "--json")))
        self.assertEqual([r["threads"] for r in rows], [1, 2])
        for r in rows:
            self.assertEqual((r["prompt_tokens"], r["generated_tokens"]), (16, 8))
            for key in ("load_ms", "prompt_per_second", "generated_per_second"):
                self.assertGreater(r[key], 0)
        self.assertIn("source", self.good(run("bench", "-m", T5, "-p", "8", "-n", "4", "-r", "1", "-t", "1")))
        self.refused(run("bench", "-m", CHAT, "-t", "0"), 2, "not 0")
        self.refused(run("bench", "-m", CHAT, "-t", "1,x"), 2, "-t", '"x"')
        self.refused(run("bench", "-m", CHAT, "word"), 2, '"word"')
        self.refused(run("bench", "-m", CHAT, "-r", "65"), 2, "at most 64")

    def test_info(self):
        got = json.loads(self.good(run("info", CHAT, "-c", "1000", "--json")))
        self.assertEqual(got["memory"]["session"]["context"], 1000)
        more = json.loads(self.good(run("info", CHAT, "-c", "2000", "--json")))
        self.assertGreater(more["memory"]["session"]["bytes"], got["memory"]["session"]["bytes"])
        self.assertEqual(got["metadata"]["llama.embedding_length"], 32)
        self.assertIn({"name": "output_norm.weight", "type": "F32", "shape": [32], "bytes": 128}, got["tensors"])
        plain = self.good(run("info", CHAT))
        for words in ("architecture             llama", "memory.session.bytes", "llama.block_count", "blk.1.ffn_down.weight"):
            self.assertIn(words, plain)
        self.assertRegex(self.good(run("info", FR_EN)), r"special_tokens\.bos +none\n(.|\n)*memory\.weights +\d+ bytes \(12\.8 MB\)\n")
        self.assertEqual(self.good(run("info", "-m", CHAT)), plain)
        self.refused(run("info", "-m", CHAT, CHAT), 2, "one model")
        self.refused(run("info", CHAT, "-c", "200000"), 1, "131072 positions")

    def test_info_sends_no_escapes_to_the_terminal(self):
        raw = Path(CHAT).read_bytes()
        with tempfile.NamedTemporaryFile() as f:
            f.write(raw.replace(b"{% for message", b"\x1b[2J\xc2\x9b for mes"))
            f.flush()
            plain = self.good(run("info", f.name))
            self.assertIn("?[2J??", plain)
            self.assertFalse(set(plain) & {chr(c) for c in [*range(9), *range(11, 32), *range(127, 160)]})
            self.assertIn("\x1b[2J", json.loads(self.good(run("info", f.name, "--json")))["metadata"]["tokenizer.chat_template"])

    def test_tokens_by_line(self):
        self.assertEqual(self.good(run("tokenize", "-m", CHAT, text=b"ab\n\nc\n")), "[100,101]\n[]\n[102]\n")
        self.assertEqual(self.good(run("detokenize", "-m", CHAT, text=b"[100, 101]\n\n102\n")), "ab\n\nc\n")
        self.assertEqual(self.good(run("tokenize", "-m", CHAT, "<|im_end|>")), "[2]\n")
        self.assertEqual(self.good(run("tokenize", "-m", CHAT, "--no-parse-special", "<|"))[:4], "[63,")
        self.refused(run("detokenize", "-m", CHAT, "259"), 2, "259")
        self.refused(run("tokenize", "-m", LLAMA, "x"), 1, "no tokenizer")


class Encoders(Case):
    def lines(self, *words, text=None):
        done = run(*words, text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.decode().splitlines()

    def vectors(self, *words, text=None):
        return [json.loads(line) for line in self.lines("embed", "-m", ENCODER, *words, text=text)]

    def test_embed(self):
        texts = ["What was that?", "hot", "it is, he said"]
        got = self.vectors(*texts)
        self.assertEqual((len(got), {len(v) for v in got}), (3, {48}))
        self.assertEqual(self.vectors(text="\n".join(texts).encode()), got)
        self.assertEqual(self.vectors(texts[2]), got[2:])
        ids = json.loads(self.lines("tokenize", "-m", ENCODER, texts[1])[0])
        self.assertEqual(self.vectors("--ids", ",".join(map(str, ids))), got[1:2])
        self.assertNotEqual(self.vectors("--ids", ",".join(map(str, ids)), "--types", ",".join("1" for _ in ids)), got[1:2])
        self.assertAlmostEqual(sum(x * x for x in self.vectors("--normalize", texts[0])[0]), 1, places=5)
        self.assertEqual(len(self.vectors(*["x"] * 100)), 100)
        self.assertEqual(self.vectors(text=b""), [])

    def test_embed_refusals(self):
        self.refused(run("embed", "-m", ENCODER, "--pooling", "max", "x"), 2, "no pooling", "mean, cls and last")
        self.refused(run("embed", "-m", ENCODER, "--normalize", "--no-normalize", "x"), 2, "contradict")
        self.refused(run("embed", "-m", ENCODER, "--ids", "1,2", "--types", "0"), 2, "1 numbers for 2 ids")
        self.refused(run("embed", "-m", ENCODER, "--ids", "1,2", "--types", "0,300"), 2, "holds 300")
        self.refused(run("embed", "-m", ENCODER, "--ids", "1,2", "--types", "0,2"), 2, "token type 2")
        self.refused(run("embed", "-m", ENCODER, "--ids", "1,500"), 2, "outside the vocabulary of 500")
        self.refused(run("embed", "-m", ENCODER, "x" * 80), 1, "82 tokens", "64 positions")
        self.refused(run("embed", "-m", LLAMA, "--ids", "1,2"), 1, "no encoder")
        self.refused(run("generate", "-m", ENCODER, "-p", "x"), 1, "no decoder")
        self.refused(run("embed", "-m", str(ROOT / "models/tiny/bert.gguf"), "x"), 1, "no tokenizer")

    def test_rank(self):
        passages = ["some word", "what was it?", "x y z"]
        ranked = json.loads("".join(self.lines("rank", "-m", ENCODER, "--json", "what was it", *passages)))
        self.assertEqual(ranked[0]["index"], 1)
        self.assertEqual(ranked, sorted(ranked, key=lambda r: -r["score"]))
        query, *vectors = self.vectors("what was it", *passages)
        length = lambda v: math.sqrt(sum(x * x for x in v))
        for r in ranked:
            v = vectors[r["index"]]
            self.assertAlmostEqual(r["score"], sum(a * b for a, b in zip(query, v)) / length(query) / length(v), places=6)
            self.assertEqual(r["text"], passages[r["index"]])
        plain = self.lines("rank", "-m", ENCODER, "what was it", "--top", 2, text="\n".join(passages).encode())
        self.assertEqual([line.split("\t")[1] for line in plain], [r["text"] for r in ranked[:2]])
        self.refused(run("rank", "-m", ENCODER), 2, "QUERY")
        self.assertEqual(self.lines("rank", "-m", ENCODER, "--json", "x", text=b""), ["[]"])

    def test_fill_mask(self):
        found = json.loads("".join(self.lines("fill-mask", "-m", FILL, "--json", "--top", 500, "it [MASK] hot and", "[MASK]")))
        self.assertEqual([len(f) for f in found], [500, 500])
        for words in found:
            self.assertAlmostEqual(sum(w["score"] for w in words), 1, places=4)
            self.assertEqual([w["score"] for w in words], sorted((w["score"] for w in words), reverse=True))
        plain = self.lines("fill-mask", "-m", FILL, "it [MASK] hot")
        self.assertEqual(len(plain), 5)
        self.assertTrue(all(len(line.split("\t")) == 2 for line in plain))
        self.refused(run("fill-mask", "-m", FILL, "it is hot"), 2, "no [MASK]")
        self.refused(run("fill-mask", "-m", ENCODER, "it [MASK] hot"), 1, "no head for masked words")
        self.refused(run("fill-mask", "-m", FILL), 2, "mask")

    def test_classify(self):
        rows = [json.loads(line) for line in self.lines("classify", "-m", ENCODER, "--json", "hot", "what was that?")]
        for row in rows:
            self.assertEqual(sorted(r["label"] for r in row), ["LABEL_0", "LABEL_1", "LABEL_2"])
            self.assertAlmostEqual(sum(r["score"] for r in row), 1, places=5)
        pair = json.loads(self.lines("classify", "-m", ENCODER, "--json", "--pair", "what was that?", "hot")[0])
        self.assertNotEqual(pair, rows[0])
        self.assertEqual(len(self.lines("classify", "-m", ENCODER, "--top", 1, "hot")[0].split("\t")), 1)
        self.refused(run("classify", "-m", FILL, "hot"), 1, "labels of whole texts")


    def test_entities_and_answers(self):
        ner, qa = str(ROOT / "models/tiny/bert-ner.gguf"), str(ROOT / "models/tiny/bert-qa.gguf")
        text = "they had 42 words for it (some were about time)"
        found = json.loads("".join(self.lines("ner", "-m", ner, text)))
        self.assertEqual(json.loads("".join(self.lines("ner", "-m", ner, text=text.encode()))), found)
        for e in found:
            self.assertEqual(e["word"], text[e["start"]:e["end"]])
        self.assertEqual(self.lines("ner", "-m", ner, text=b""), ["[]"])
        for top, n in ((None, 1), (5, 5), (1000, 78)):
            answers = json.loads("".join(self.lines("qa", "-m", qa, "-q", "who?", text, *(["--top", top] if top else []))))
            self.assertEqual(len(answers), n)
            self.assertEqual(len({(a["start"], a["end"]) for a in answers}), n)
        self.assertEqual(self.lines("qa", "-m", qa, "-q", "who?", text=b""), ["[]"])
        self.refused(run("qa", "-m", qa, text), 2, "--question")
        self.refused(run("qa", "-m", qa, "-q", "x", "--top", 2000, text), 2, "at most 1000")
        self.refused(run("qa", "-m", ner, "-q", "x", text), 1, "answers in a text")
        self.refused(run("ner", "-m", qa, text), 1, "labels of tokens")
        self.refused(run("ner", "-m", ner, "x " * 80), 1, "82 tokens", "64 positions")
        self.refused(run("ner", "-m", LLAMA, "x"), 1, "no tokenizer")
        self.refused(run("ner", "-m", FR_EN, "x"), 1, "WordPiece")


class Quantize(Case):
    def test_every_type_opens_and_runs(self):
        worst_allowed = {"f16": 3e-4, "q8_0": 1e-9, "q6_k": 0.02, "q4_k": 0.09, "q4_1": 0.1, "q4_0": 0.12}  # fr-en is Q8_0 itself
        before = -1.0
        with tempfile.TemporaryDirectory() as folder:
            for name in ("q8_0", "f16", "q6_k", "q4_k", "q4_1", "q4_0"):
                out = os.path.join(folder, name + ".gguf")
                report = self.good(run("quantize", "-v", FR_EN, out, name.upper() if name == "q8_0" else name))
                errors = [float(line.split()[-1]) for line in report.splitlines() if " rmse " in line]
                self.assertLess(max(errors), worst_allowed[name], name)
                self.assertGreater(sum(errors), before, f"{name} is no worse than the type before it")
                before = sum(errors)
                self.assertIn("student", self.good(run("translate", "-m", out, "Je suis étudiant")), name)
                info = json.loads(self.good(run("info", out, "--json")))
                self.assertEqual(info["quantisation"].lower(), name)

    def test_refusals_leave_nothing_behind(self):
        with tempfile.TemporaryDirectory() as folder:
            source, out = shutil.copy(LLAMA, folder), os.path.join(folder, "out.gguf")
            before = Path(source).read_bytes()
            self.refused(run("quantize", source, source, "q8_0"), 2, "same file")
            os.link(source, os.path.join(folder, "link.gguf"))
            self.refused(run("quantize", source, os.path.join(folder, "link.gguf"), "q8_0"), 2, "same file")
            os.unlink(os.path.join(folder, "link.gguf"))
            self.refused(run("quantize", source, out, "q9_9"), 2, '"q9_9"', "Q4_K")
            self.refused(run("quantize", source, out, "q2_k"), 2, "q2_k")
            self.refused(run("quantize", source, "/dev/null", "q8_0"), 2, "not a file")
            self.refused(run("quantize", os.path.join(folder, "none"), out, "q8_0"), 1, "none")
            self.refused(run("quantize", source, os.path.join(folder, "no/out"), "q8_0"), 1, "no/out")
            os.mkfifo(os.path.join(folder, "pipe"))
            self.refused(run("quantize", os.path.join(folder, "pipe"), out, "q8_0"), 1, "not a file")
            os.unlink(os.path.join(folder, "pipe"))
            Path(folder, "page").write_text("<html>")
            self.refused(run("quantize", os.path.join(folder, "page"), out, "q8_0"), 1, "HTML")
            os.unlink(os.path.join(folder, "page"))
            full = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
            self.refused(run("quantize", source, out, "f16", preexec_fn=full), 1, "could not be written", "File too large")
            self.assertEqual(os.listdir(folder), [os.path.basename(source)])
            self.assertEqual(Path(source).read_bytes(), before)

    @unittest.skipUnless(os.path.isdir("/dev/shm") and os.geteuid() == 0, "needs a small disk to fill")
    def test_a_full_disk(self):
        with tempfile.TemporaryDirectory() as folder:
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=False, capture_output=True).returncode:
                self.skipTest("no tmpfs may be mounted here")
            try:
                self.refused(run("quantize", LLAMA, os.path.join(folder, "out"), "f16"), 1, "No space left on device")
                self.assertEqual(os.listdir(folder), [])
            finally:
                subprocess.run(["umount", folder], check=True)


class BadModels(Case):
    def test_each_is_one_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            def made(name, raw):
                path = os.path.join(folder, name)
                Path(path).write_bytes(raw)
                return path
            cut = Path(FR_EN).read_bytes()
            bad = [(os.path.join(folder, "missing.gguf"), "missing.gguf", "No such file"), (made("empty", b""), "empty"), (folder, "directory"),
                   (made("short", cut[:100]), "truncated"), (made("half", cut[:len(cut) // 2]), "truncated", "missing at the end"),
                   (made("page", b"<!doctype html><title>404</title>"), "HTML"), (made("zip", b"PK\3\4" + bytes(60)), "zip", "convert"),
                   (made("st", struct.pack("<Q", 20) + b'{"a":{"dtype":"F32"}}'), "safetensors", "convert"), (made("text", b"hello, world"),
                       '"GGUF"'),
                   (str(ROOT / "tests/fuzz/corpus/model/arch_unknown"), "mamba", "this build runs llama"),
                   (str(ROOT / "tests/fuzz/corpus/model/tensor_iq2"), "IQ2_XS"), (str(ROOT / "tests/fuzz/corpus/gguf/v1"), "version 1")]
            for path, *words in bad:
                self.refused(run("info", path), 1, Path(path).name, *words)

    def test_not_enough_memory_says_how_much(self):
        little = lambda: resource.setrlimit(resource.RLIMIT_AS, (24 << 20, 24 << 20))
        self.refused(run("generate", "-m", CHAT, "-t", "1", "-c", "131072", "-p", "x", preexec_fn=little), 1, "not enough memory",
                     "131072 positions", "MB")
        size = os.path.getsize(FR_EN)
        for room in (size - (1 << 20), size + (4 << 20)):  # no room for the weights; none for what is built from them
            limit = lambda: resource.setrlimit(resource.RLIMIT_AS, (room, room))
            self.refused(run("translate", "-t", "1", "Oui", preexec_fn=limit), 1, "not enough memory", f"{size / 1e6:.1f} MB")


if __name__ == "__main__":
    unittest.main(verbosity=1)
