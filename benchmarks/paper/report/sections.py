"""Sections of the page, and where their numbers come from."""

import json
from collections import Counter

from benchmarks.paper.report.runs import IDENTITY, by_setting
from benchmarks.paper.report.tables import seeds_text


def sections(title, name, lines, body, axes=()):
    """Write a section: a part for each setting, with where its numbers come from."""
    split, groups = by_setting(lines, axes)
    parts = [f"## {title}"]
    for i, group in enumerate(groups):
        if len(groups) > 1:
            parts.append("### " + difference_of_settings(groups, group, split))
        parts.append(provenance(group, axes))
        parts += body(group, f"{name}-{i + 1}" if len(groups) > 1 else name)
    return "\n\n".join(parts)


def difference_of_settings(groups, group, split):
    """Say what tells a group from the others."""
    chosen = [flat({name: lines[0]["config"].get(name) for name in split}) for lines in groups]
    own = flat({name: group[0]["config"].get(name) for name in split})
    differing = [k for k, v in own.items() if any(other.get(k) != v for other in chosen)]
    return "; ".join(setting(group, name) for name in differing)


def provenance(lines, axes=()):
    """List settings, seeds, machines, versions and dates of the lines."""
    names = dict.fromkeys(name for line in lines for name in flat(line["config"]))
    names = [name for name in names if name not in (*IDENTITY, "study")]
    names_of_cell = ("task", "synthetic", "method", *axes)
    cells = Counter(json.dumps([c.get(name) for name in names_of_cell], sort_keys=True) for c in configs(lines))
    fewest, most = min(cells.values()), max(cells.values())
    seeds = seeds_text({config["seed"] for config in configs(lines)})
    dates = sorted({line.get("date", "unknown") for line in lines})
    versions = Counter(", ".join(f"{k} {v}" for k, v in line.get("versions", {}).items()) for line in lines)
    machines = Counter(line.get("machine", "unknown") for line in lines)
    return "\n".join(
        [
            "- Settings: " + "; ".join(setting(lines, name) for name in names),
            f"- Seeds: {fewest if fewest == most else f'{fewest} to {most}'} per cell ({seeds}); {len(lines)} runs",
            "- Machines: " + counted(machines),
            "- Versions: " + counted(versions),
            "- Dates: " + (dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"),
        ]
    )


def configs(lines):
    return [line["config"] for line in lines]


def flat(config):
    """Undo the nesting of a configuration: training parameters under their own names."""
    result = {}
    for name, value in config.items():
        prefix = "" if name == "settings" else name.replace("_", " ") + ": "
        result |= {prefix + k: v for k, v in value.items()} if isinstance(value, dict) else {name: value}
    return result


def setting(lines, name):
    """Name a part of the configuration with its value, or its values and whose they are."""
    values = {}
    for line in lines:
        value = flat(line["config"]).get(name)
        text = {"real_rows": "all"}.get(name, "none") if value is None else str(value)
        values.setdefault(text, []).append(line["config"])
    label = name.replace("_", " ")
    if len(values) == 1:
        return f"{label} {next(iter(values))}"
    for by in ("task", "method"):
        owners = {text: list(dict.fromkeys(config[by] for config in given)) for text, given in values.items()}
        if len({owner for own in owners.values() for owner in own}) == sum(map(len, owners.values())):
            return f"{label} " + ", ".join(f"{text} ({', '.join(own)})" for text, own in owners.items())
    return f"{label} {', '.join(values)}"


def counted(counter):
    """Name what was counted, and how often if it is more than one thing."""
    return "; ".join(text + (f" ({n} runs)" if len(counter) > 1 else "") for text, n in counter.most_common())
