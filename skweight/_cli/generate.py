"""The command ``generate``: a language model writes labelled rows that are like the real ones."""

import argparse
from pathlib import Path

from skweight._cli import checks
from skweight._cli.arguments import add_config, add_labelled_tables, add_overwrite, read_labelled
from skweight._cli.config import Several
from skweight._cli.outputs import check_new, check_writable
from skweight._cli.terminal import show
from skweight._complete import complete


def add_arguments(parser):
    """Add the arguments of this command."""
    parser.epilog = (
        "The key comes from OPENAI_API_KEY in the environment. A call that was interrupted goes on where it was, if it "
        "is repeated. The exit status is 0 if all rows are there, 3 if some lack, and 2 after an error."
    )
    parser.add_argument("real", type=Path, help="real rows, in a file of any kind that fit reads")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="CSV for the rows")
    parser.add_argument("--model", required=True, help="name by which the server knows the model")
    parser.add_argument("--base-url", metavar="URL", help="of the server, as http://localhost:8000/v1")
    parser.add_argument("--per-class", type=int, required=True, metavar="N", help="rows to write for each class")
    parser.add_argument("--instruction", help="what the texts are, and for whom")
    parser.add_argument(
        "--description", action=Several, metavar="LABEL=TEXT", help="what a label means; repeated, or a JSON file"
    )
    parser.add_argument(
        "--attribute",
        action="append",
        type=_attribute,
        metavar="NAME=A,B,...",
        help='values to ask for in turns, as "length=one sentence,a paragraph"; repeated',
    )
    parser.add_argument("--template", type=Path, metavar="FILE", help="prompt in place of skweight's own")
    parser.add_argument("--shots", type=int, default=5, help="real rows that a request shows")
    parser.add_argument("--rows-per-request", type=int, default=5, help="rows that a request asks for")
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-tokens", type=int, default=1024, help="of one answer")
    parser.add_argument("--max-requests", type=int, help="budget (default: three times what is needed)")
    parser.add_argument("--max-total-tokens", type=int, help="budget of prompts and answers (default: none)")
    parser.add_argument("--replace-copies", action="store_true", help="write others in place of copies")
    parser.add_argument("--test", type=Path, help="rows to score on later, which are only searched for copies")
    parser.add_argument(
        "--log", type=Path, metavar="FILE", help="file for the answers (default: the output's, with .answers.jsonl)"
    )
    parser.add_argument("--concurrency", type=int, default=4, help="requests at a time")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds without a byte from the server")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random")
    parser.add_argument("--dry-run", action="store_true", help="say what would be asked, and ask nothing")
    add_overwrite(parser)
    add_labelled_tables(parser)
    add_config(parser)


def _attribute(text):
    name, _, values = text.partition("=")
    listed = [value.strip() for value in values.split(",") if value.strip()]
    if not name or not listed:
        raise argparse.ArgumentTypeError(f"expected NAME=A,B,..., got {text!r}")
    return name, listed


def run(args):
    """Let the model write, and save the rows; return 3 if some lack."""
    from skweight._cli.arguments import label_map
    from skweight.llm import generate

    read = {"the real rows": args.real, "--test": args.test}
    checks.check_different({name: path for name, path in read.items() if path})
    real = read_labelled(args, args.real, real=True)
    X, y, _ = real.whole_rows()
    settings = {
        "model": args.model,
        "n_per_class": args.per_class,
        "base_url": args.base_url,
        "instruction": args.instruction,
        "descriptions": label_map(args.description) or None,
        "attributes": dict(args.attribute) if args.attribute else None,
        "template": args.template,
        "shots": args.shots,
        "rows_per_request": args.rows_per_request,
        "temperature": args.temperature,
        "max_tokens": args.max_tokens,
        "max_requests": args.max_requests,
        "max_total_tokens": args.max_total_tokens,
        "replace_copies": args.replace_copies,
        "concurrency": args.concurrency,
        "timeout": args.timeout,
        "random_state": args.seed,
    }
    if args.dry_run:
        for line in str(generate(X, y, **settings, dry_run=True)).splitlines():
            show(line)
        return 0
    check_new(args.output, overwrite=args.overwrite)
    check_writable(args.output.absolute().parent)
    log = args.log or args.output.with_name(f"{args.output.name}.answers.jsonl")
    test = read_labelled(args, args.test, real=True).whole_rows()[0] if args.test else None
    generated = generate(X, y, **settings, test_X=test, log=log, verbose=1)
    with complete(args.output, args.output.with_name(f"{args.output.name}.unfinished")) as unfinished:
        generated.to_csv(unfinished)
    for line in str(generated).splitlines():
        show(line)
    show(f"The rows are in {args.output}, the answers in {log}.")
    show(f"Next: skweight audit {args.output} --real {args.real}")
    return 3 if generated.stopped else 0
