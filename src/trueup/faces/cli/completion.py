"""``trueup completion``."""

import click
from click.shell_completion import get_completion_class

from trueup.kernel.doors import App, pass_app


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@pass_app
def completion(app: App, shell: str) -> None:
    """Print the completion script of a shell: eval "$(trueup completion bash)"."""
    kind = get_completion_class(shell)
    if kind is None:  # every choice has one
        raise click.UsageError(f"there is no completion for {shell}")
    script = kind(click.get_current_context().find_root().command, {}, "trueup", "_TRUEUP_COMPLETE").source()
    app.emit({"shell": shell, "script": script}, script)
