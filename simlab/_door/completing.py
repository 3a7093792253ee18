"""Completion in a shell: of commands and options by click, of scenarios, arms, controls and studies by what is shipped.

Everything here is imported at every key: nothing but click may be.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem, ShellComplete, get_completion_class

from simlab.scenario.shipped import ENDINGS, named_under, shipped

SHELLS = ("bash", "zsh", "fish")


def scenarios(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Shipped scenarios by name, and where none begins so, files."""
    return _files_or(shipped(), incomplete)


def architectures(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
    """Shipped architectures by name, and files."""
    return _files_or(shipped("architectures"), incomplete)


def compared(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """A scenario or a run directory, and after a scenario its arms."""
    complete = arms if context.params.get("what") else scenarios
    return complete(context, parameter, incomplete)


def under(key: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    """Completes the names under a key of the scenario that was named before."""

    def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001
        return [CompletionItem(name) for name in _named(context, key) if name.startswith(incomplete)]

    return complete


arms, controls, studies = under("arms"), under("controls"), under("studies")  # of a factorial no arms are written down


def _files_or(known: dict[str, Path], incomplete: str) -> list[CompletionItem]:
    found = [name for name in known if name.startswith(incomplete)]
    return [CompletionItem(name) for name in found] or [CompletionItem(incomplete, type="file")]


def _named(context: click.Context, key: str) -> list[str]:
    given: Any = next(
        (context.params[name] for name in ("scenario", "scenarios", "what") if context.params.get(name)), ()
    )
    words = [given] if isinstance(given, str) else [*given, *context.args]  # click leaves them there at an open option
    if not words:
        return []
    path = shipped().get(words[0], Path(words[0]) if words[0].endswith(ENDINGS) else None)
    return named_under(path, key) if path else []


@click.command(short_help="The script for completion in bash, zsh or fish.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    r"""Print the script that lets a shell complete commands, options, scenarios, arms, controls and studies.

    \b
    bash  eval "$(simlab completion bash)"     in ~/.bashrc
    zsh   eval "$(simlab completion zsh)"      in ~/.zshrc, after compinit
    fish  simlab completion fish | source      in ~/.config/fish/config.fish
    """
    found = get_completion_class(shell)
    assert found is not None, "every shell of the choice is known"  # noqa: S101
    script = ShellComplete.source(found(context.find_root().command, {}, "simlab", "_SIMLAB_COMPLETE"))
    click.echo(script)  # without asking which version of the shell is here
