"""Instructions of a Dockerfile, by stage."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Stage:
    """One stage: its base, and its instructions in their order."""

    name: str
    base: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def values(self, instruction: str) -> list[str]:
        """Return what follows each instruction of one kind."""
        return [value for name, value in self.instructions if name == instruction]


@dataclass
class Dockerfile:
    """A parsed Dockerfile: the arguments before the first stage, and the stages by name."""

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def inherited(self, stage: str, instruction: str) -> list[str]:
        """Return what an instruction is set to in a stage and in the stages below it, the nearest last."""
        found: list[str] = []
        name: str | None = stage
        while name in self.stages:
            found = self.stages[name].values(instruction) + found
            name = self.stages[name].base
        return found

    def environment(self, stage: str) -> dict[str, str]:
        """Return the environment that a stage and those below it set."""
        pairs = [pair for line in self.inherited(stage, "ENV") for pair in re.findall(r"(\w+)=(\S*)", line)]
        return dict(pairs)

    def external(self, stage: Stage) -> str | None:
        """Return the image that a stage begins with, or None if that is another stage."""
        if stage.base in self.stages:
            return None
        argument = re.fullmatch(r"\$\{(\w+)\}", stage.base)
        return self.arguments[argument[1]] if argument else stage.base


def read_dockerfile(path: Path) -> Dockerfile:
    """Parse a Dockerfile, as far as this project's go: no here-documents, no other escape character."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    found = Dockerfile({}, {})
    stage: Stage | None = None
    for line in filter(str.strip, joined.splitlines()):
        instruction, value = line.split(maxsplit=1)
        if instruction == "FROM":
            base, _, name = value.partition(" AS ")
            stage = found.stages[name or "last"] = Stage(name or "last", base)
        elif stage is None:
            name, _, default = value.partition("=")
            found.arguments[name] = default
        else:
            stage.instructions.append((instruction, value))
    return found


def exec_form(value: str) -> list[str]:
    """Return the words of a command in exec form.

    Raises:
        ValueError: it is in shell form.
    """
    words = json.loads(value)
    if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
        raise ValueError(f"Expected a list of words, got {value}")
    return words
