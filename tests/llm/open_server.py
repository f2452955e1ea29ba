"""llama.cpp's own server, with a model that was never trained.

Not a test: `test_open_server.py` starts it in an environment of its own. It writes the model, which
is one layer of random numbers over single characters, prints the server's address, and serves until
its input ends. A token is a character, so a prompt is thousands of them: hence the long context.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gguf
import numpy as np
import xllamacpp

WIDTH, HEADS, HIDDEN, CONTEXT = 32, 2, 64, 32768
NORMAL, CONTROL = 1, 3
# GPT-2's tokenizer writes a space and a new line as these.
SPACE, NEW_LINE = "\u0120", "\u010a"
TEMPLATE = "{% for message in messages %}{{ message['content'] }}\n{% endfor %}"


def write(path: Path) -> None:
    """A model of the architecture `llama` whose tokens are the printable characters."""
    rng = np.random.default_rng(0)
    pieces = ["</s>", SPACE, NEW_LINE, *map(chr, range(33, 127)), SPACE + SPACE]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(pieces))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(pieces)
    writer.add_token_types([CONTROL] + [NORMAL] * (len(pieces) - 1))
    writer.add_token_merges([f"{SPACE} {SPACE}"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_chat_template(TEMPLATE)
    shapes = {
        "token_embd": (len(pieces), WIDTH),
        "output": (len(pieces), WIDTH),
        "blk.0.attn_q": (WIDTH, WIDTH),
        "blk.0.attn_k": (WIDTH, WIDTH),
        "blk.0.attn_v": (WIDTH, WIDTH),
        "blk.0.attn_output": (WIDTH, WIDTH),
        "blk.0.ffn_gate": (HIDDEN, WIDTH),
        "blk.0.ffn_up": (HIDDEN, WIDTH),
        "blk.0.ffn_down": (WIDTH, HIDDEN),
    }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", rng.normal(0, 0.1, shape).astype(np.float32))
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(path: Path) -> None:
    """Serve a model that is written to `path`, until the input ends."""
    write(path)
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx = CONTEXT
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = 1
    settings.n_parallel = 1
    settings.warmup = False
    server = xllamacpp.Server(settings)
    print(f"{server.listening_address}/v1", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
