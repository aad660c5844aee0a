"""What a run depends on."""

from benchmarks.common import STUDIED_CHECKER, encoder_name

# "paper": the published configuration (its gradient clipping is the default here, its weights are neither clipped nor
# normalised, which is the default too), for the checkers as well. "default": what the estimators do without arguments.
PRESETS = {
    "paper": {"max_epochs": 5, "lr": 6e-5, "batch_size": 32, "max_length": 128},
    "default": {"max_epochs": 5, "lr": 5e-5, "batch_size": 32, "max_length": 128},
}


def settings(args):
    """Training parameters of a run."""
    given = {"max_epochs": args.epochs, "lr": args.lr}
    return PRESETS[args.preset] | {name: value for name, value in given.items() if value is not None}


def configuration(args, task, synthetic, method, seed, **more):
    """Everything that a run depends on, as a dictionary that identifies it."""
    return {
        "task": task,
        "synthetic": synthetic,
        "method": method,
        "seed": seed,
        "encoder": encoder_name(args.encoder),
        "rows": args.rows,
        "real_rows": args.real_rows,
        "scored": args.scored,
        "preset": args.preset,
        "settings": settings(args),
        "quality_checker": settings(args) if args.preset == "paper" else STUDIED_CHECKER,
        **more,
    }
