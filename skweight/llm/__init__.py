"""Language models: write synthetic rows with them, see what earned its weight, ask for more of that.

Any server that speaks OpenAI's protocol will do: a vendor's, vLLM, llama.cpp, Ollama.
"""

from skweight.llm._asking import Budget
from skweight.llm._generate import generate
from skweight.llm._generated import Estimate, Generated
from skweight.llm._plan import Plan, plan
from skweight.llm._tables import read_generated

__all__ = ["Budget", "Estimate", "Generated", "Plan", "generate", "plan", "read_generated"]
