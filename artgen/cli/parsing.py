"""The command line's parser: click's, with the chosen renderer's options added to those of `paint`.

The words are parsed twice. A first, tolerant pass skips unknown options and finds the renderer.
The renderer's options are then declared to click like any other, and the second pass is click's usual one.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

from artgen.cli.declaring import click_parameters, declared_options
from artgen.cli.messages import ClickException, ClickUsageError, unknown_option, usage_message
from artgen.cli.paint_options import RUN_OPTIONS, WHOLE_BATCH_OPTIONS, OutputOptions
from artgen.cli.renderer_options import field_of, renderer_parameters, renderers_with
from artgen.cli.request import DEFAULT_RENDERER, PaintRequest
from artgen.errors import ArtgenError, UsageError

RENDERER_PARAMETERS = "artgen.renderer_parameters"
"""Key of a context's `meta` with click's parameters for the renderer's options."""


class PaintCommand(TyperCommand):
    """A command with the options of `paint`, which leaves a `PaintRequest` in `context.obj`.

    The command's own function need not name these options. A request that is already in
    `context.obj` lies below the new one.
    """

    context_class = typer.Context  # typer makes click's own, which its annotation does not describe
    groups: tuple[type, ...] = (*RUN_OPTIONS, *WHOLE_BATCH_OPTIONS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.extend(click_parameters(declared_options(self.groups)))

    def get_params(self, ctx: Any) -> list[Any]:
        """Return click's parameters, those for the renderer's options last."""
        return [*super().get_params(ctx), *ctx.meta.get(RENDERER_PARAMETERS, ())]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words, and leave what they ask for in `ctx.obj`.

        Raises:
            ClickException: an option or a value is invalid.
        """
        if ctx.resilient_parsing:
            return super().parse_args(ctx, args)

        problem = self._add_renderer_options(ctx, args)
        try:
            rest = super().parse_args(ctx, list(args))
        except ClickUsageError as error:
            vars(error)["ctx"] = ctx  # click leaves it out where an option lacks its value
            raise self._explained(error, problem, ctx) from None

        ctx.obj = self._take_request(ctx).over(_request_in(ctx))
        return rest

    def request_below(self, ctx: Any) -> PaintRequest:
        """Return the request that the words override, as far as the tolerant pass could parse them.

        Raises:
            ArtgenError: it cannot be found.
        """
        return _request_in(ctx)

    def _add_renderer_options(self, ctx: Any, words: Sequence[str]) -> ArtgenError | None:
        """Declare the renderer's options to click; return why the renderer is not known, if it is not.

        Nothing is declared, and no renderer imported, if there is no unknown option.
        """
        found = self._tolerant_pass(ctx, words)
        wants_help = any(word in ctx.help_option_names for word in words)
        if not wants_help and not self._has_unknown_options(found):
            return None

        taken = frozenset(name for parameter in self.params for name in parameter.opts)
        try:
            request = self._take_request(found).over(self.request_below(found))
            ctx.meta[RENDERER_PARAMETERS] = renderer_parameters(request.renderer(), taken)
        except ArtgenError as error:
            ctx.meta[RENDERER_PARAMETERS] = renderer_parameters(DEFAULT_RENDERER, taken)
            return error
        return None

    def _tolerant_pass(self, ctx: Any, words: Sequence[str]) -> Any:
        """Return a context with all that can be parsed; unknown options are left among the arguments."""
        context = self.context_class(
            self,
            info_name=ctx.info_name,
            parent=ctx.parent,
            obj=ctx.obj,
            resilient_parsing=True,
            ignore_unknown_options=True,
        )
        # One more word, for an option that seems to lack its value: click would stop there.
        super().parse_args(context, [*words, ""])
        return context

    def _has_unknown_options(self, found: Any) -> bool:
        """Return whether the tolerant pass took an option for an argument."""
        for parameter in self.params:
            if parameter.param_type_name == "argument":
                value = found.params.get(parameter.name)
                words = value if isinstance(value, list | tuple) else [value]
                if any(str(word).startswith("-") for word in words):
                    return True
        return False

    def _take_request(self, ctx: Any) -> PaintRequest:
        """Move the parsed values of the declared options from a context into a request."""
        options = declared_options(self.groups)
        values = {option: ctx.params.pop(option.name, None) for option in options}

        renderer_options = {}
        for parameter in ctx.meta.get(RENDERER_PARAMETERS, ()):
            value = ctx.params.pop(parameter.name, None)
            if value is not None:
                renderer_options[field_of(parameter)] = value

        return PaintRequest.of(values, renderer_options)

    def _explained(self, error: Exception, problem: ArtgenError | None, ctx: Any) -> Exception:
        """Return click's error, or a clearer one if an option is unknown because of the renderer.

        Args:
            error: click's.
            problem: why the renderer is not known, None if it is.
            ctx: click's context.
        """
        name = unknown_option(error)
        if name is None:
            return error

        if not name.startswith("--"):
            hint = "a prompt that begins with '-' goes after '--', such as: artgen -- '-5 degrees'"
            return ClickUsageError(f"no option {name}; {hint}", ctx)
        if problem is not None:
            return ClickUsageError(str(problem), ctx)

        owners = renderers_with(name)
        if not owners:
            return error
        hint = f"it belongs to the renderer {' and to '.join(owners)}; add --renderer {owners[0]}"
        return ClickUsageError(f"no option {name}: {hint}", ctx)


class PromoteCommand(PaintCommand):
    """`paint` on top of the configuration of a run on a contact sheet."""

    groups = (*RUN_OPTIONS, OutputOptions)

    def request_below(self, ctx: Any) -> PaintRequest:
        """Return the request of the run that is promoted, an empty one without a sheet and a number.

        Raises:
            ArtgenError: there is no such run.
        """
        from artgen.batch.sheet import find_run

        sheet, number = ctx.params.get("sheet"), ctx.params.get("number")
        if str(sheet).startswith("-"):
            raise UsageError(
                "a renderer's options go after the sheet and the number: artgen promote SHEET 3 ..."
            )
        if sheet is None or number is None:
            return PaintRequest()
        return promoted_request(find_run(sheet, number))


class LineCommand(PaintCommand):
    """`paint` as a line of a batch gives it: without the options of the whole batch."""

    groups = RUN_OPTIONS

    def _explained(self, error: Exception, problem: ArtgenError | None, ctx: Any) -> Exception:
        name = unknown_option(error)
        if name is not None and name in _names_for_whole_batch():
            message = f"{name} belongs to the whole batch; give it on the command line"
            return ClickUsageError(message, ctx)
        return super()._explained(error, problem, ctx)


def promoted_request(folder: Path) -> PaintRequest:
    """Return the request to paint one candidate with the configuration of a run's folder."""
    return PaintRequest(config=folder / "config.yaml", assignments=("population=1",))


def parse_line(words: Sequence[str], below: PaintRequest) -> PaintRequest:
    """Return what the words after `paint`, or a line of a batch, ask for on top of another request.

    Raises:
        UsageError: an option or a value is invalid, or an option belongs to the whole batch.
    """
    try:
        context = _line_command().make_context("artgen paint", list(words), obj=below)
    except ClickException as error:
        raise UsageError(usage_message(error)) from None
    request: PaintRequest = context.obj
    return request


@functools.cache
def _line_command() -> LineCommand:
    return LineCommand("paint", add_help_option=False)


@functools.cache
def _names_for_whole_batch() -> frozenset[str]:
    """Return the options that a line of a batch may not have, as typed."""
    parameters = click_parameters(declared_options(WHOLE_BATCH_OPTIONS))
    names = [name for parameter in parameters for name in parameter.opts]
    return frozenset([*names, "--help", "-h"])


def _request_in(ctx: Any) -> PaintRequest:
    """Return the request that a context was made with, an empty one without."""
    return ctx.obj if isinstance(ctx.obj, PaintRequest) else PaintRequest()
