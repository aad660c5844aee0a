"""Whether synthetic rows should be used at all: judged on real rows, before any fine-tuning."""
