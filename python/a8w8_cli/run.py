"""a8w8 run: a quantized model at work: embeddings and similarities, or greedy text."""

import argparse
import json
from pathlib import Path

from ._command import exit_status, positive


def main(arguments: list[str]) -> int:
    """Exit status: 0 done, 1 something is wrong with the folder, 2 wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if bool(options.text) == bool(options.ids):
        parser.error(
            "give --text or --ids, each as often as you like" if not options.text else "give --text or --ids, not both"
        )
    return exit_status(lambda: _run(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="a8w8 run",
        description="Runs a quantized model. An encoder gives the embedding of each text (the mean over its tokens, of "
        "length 1) and how similar they are; a decoder continues each text, always with the likeliest token.",
    )
    parser.add_argument("dir", type=Path, metavar="DIR", help="the quantized model: config.json and weights")
    parser.add_argument("--text", action="append", metavar="TEXT", help="input; may be given again")
    parser.add_argument("--ids", action="append", type=_ids, metavar="1,2,3", help="token ids in place of a text")
    parser.add_argument("--tokenizer", type=Path, metavar="DIR2", help="where the tokenizer is, if it is not in DIR")
    parser.add_argument("--max-new-tokens", type=positive, default=32, metavar="N", help="of a decoder (%(default)s)")
    parser.add_argument("--dtype", choices=("auto", "float32", "bfloat16", "float16"), default="auto",
                        help="of all that is not int8; default: what config.json says")  # fmt: skip
    parser.add_argument("--parity", choices=("exact", "vllm-ascend"), default="exact", help="(%(default)s)")
    parser.add_argument("--no-pack", action="store_true", help="use weights as they lie in the files: starts "
                        "sooner, needs no memory of its own, runs slower")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print JSON, with embeddings in full")
    return parser


def _run(options: argparse.Namespace) -> int:
    import a8w8

    from . import _models, _run_models

    _models.be_quiet()
    _models.read_config(options.dir)
    tokenizer = _models.load_tokenizer(*filter(None, (options.tokenizer, options.dir)))
    if tokenizer is None and options.text:
        where = f"{options.dir} holds no tokenizer"
        if options.tokenizer:
            where = f"neither {options.tokenizer} nor {options.dir} holds a tokenizer"
        raise ValueError(f"{where}; name a folder with one (--tokenizer), or give token ids (--ids 1,2,3)")
    model = a8w8.load_model(options.dir, dtype=_models.DTYPES.get(options.dtype, "auto"), parity=options.parity)
    if not options.no_pack:
        a8w8.nn.pack_weights_(model)
    prompts = _run_models.prompts(model, tokenizer, options.text, options.ids)
    if getattr(model, "can_generate", bool)():
        results = _run_models.generate_all(model, tokenizer, prompts, options.max_new_tokens)
        show = _show_texts
    else:
        results = _run_models.embed_all(model, prompts)
        show = _show_embeddings
    if options.json:
        print(json.dumps({"model": str(options.dir), "class": type(model).__name__, **results}, indent=2))
    else:
        show(results)
    return 0


def _show_texts(results: dict) -> None:
    for item in results["generations"]:
        prompt, produced = item["text"] or _list(item["ids"]), item["new_text"]
        print(f"{prompt}{_printable(produced) if produced is not None else ' -> ' + _list(item['new_ids'])}")
        decode = f"{item['decode_tokens_per_second']:.1f} tokens/s" if item["decode_tokens_per_second"] else "-"
        print(
            f"  [prefill {item['prefill_tokens']} tokens, {item['prefill_tokens_per_second']:.1f} tokens/s; "
            f"{len(item['new_ids'])} new ones, {decode}; ended by {item['ended_by']}]\n"
        )


def _show_embeddings(results: dict) -> None:
    items = results["embeddings"]
    names = [item["text"] or _list(item["ids"]) for item in items]
    for number, (name, item) in enumerate(zip(names, items, strict=True), start=1):
        head = ", ".join(f"{value:+.4f}" for value in item["embedding"][:4])
        print(f"{number}. {name}\n   [{head}, ...] {len(item['embedding'])} numbers, from {item['tokens']} tokens")
    if len(items) > 1:
        print("\nCosine similarity")
        print("    " + "".join(f"{number:>8}" for number in range(1, len(items) + 1)))
        for number, row in enumerate(results["similarities"], start=1):
            print(f"{number:>3} " + "".join(f"{value:8.4f}" for value in row))
    print(f"\n{results['tokens_per_second']:.0f} tokens/s")


def _printable(text: str) -> str:
    """Without control characters, which a model may produce and a terminal would obey."""
    return "".join(c if c in "\n\t" or ord(c) >= 160 or 32 <= ord(c) < 127 else f"\\x{ord(c):02x}" for c in text)


def _list(ids: list[int]) -> str:
    return ",".join(map(str, ids))


def _ids(text: str) -> list[int]:
    try:
        ids = [int(part) for part in text.split(",")]
    except ValueError:
        ids = []
    if not ids or min(ids) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of token ids such as 1,2,3")
    return ids
