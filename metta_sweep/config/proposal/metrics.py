"""Which of the numbers that a run left is the one to search for, which way is better, and how it is read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Literal

READERS = ("hydra", "tensorboard", "wandb", "mlflow", "csv", "json", "npz", "jsonl", "report", "stdout")
"""The readers, those with the surest names first."""

SPOKEN_NUMBER = r"-?(?:\d*\.?\d+(?:[eE][-+]?\d+)?|nan|inf)"
"""A number among words."""

NOISY = 20
"""Values of an episode's return from which on a mean of the last ones is taken."""


_PROCESS = re.compile(r" \(process \d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenMetric:
    """One name in one place, as one reader saw it."""

    reader: str
    place: str
    name: str
    count: int = 1
    pattern: str = ""
    """What finds its number among what is printed; empty where its name alone does."""
    step_pattern: str = ""
    """What finds the step beside it then; empty where none is printed."""
    rise: float = 0.0
    """Its last value less its first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A metric and how it is read."""

    metric: str
    goal: Literal["maximize", "minimize"]
    is_sure: bool
    """Whether its name says which way is better."""
    results: dict[str, Any]
    """The block ``sweep.results``; empty where runs leave their results themselves."""
    others: tuple[str, ...] = ()
    """Further names that could be searched for."""


def spoken_in(log: str) -> list[SeenMetric]:
    """Return metrics that a program prints as words and a number.

    With nothing but blanks between, ``step 250: train loss 4.2, val loss 4.4``, or of several words,
    ``Train Loss: 4.2 | Val Loss: 4.4``. Only names that the field knows as metrics, as any word may have a number after
    it; but whatever a data set has, as in ``valid_0's l2: 4.2``.
    """
    counts: Counter[str] = Counter()
    found: dict[str, SeenMetric] = {}
    for line in log.splitlines():
        step = _SPOKEN_STEP.search(line)
        for words, separator in _SPOKEN.findall(line):
            name, between = " ".join(words.split()), separator.strip()
            is_owned = "'s " in name
            if not is_owned and ((between and " " not in name) or not is_known(name)):
                continue
            counts[name] += 1
            found[name] = SeenMetric(
                reader="stdout",
                place="train.log",
                name=re.sub(r"\W+", "_", name.replace("'s ", " ")).strip("_"),
                count=counts[name],
                pattern=rf"\b{name}{f' *{between} *' if between else ' +'}({SPOKEN_NUMBER})",
                step_pattern=rf"{step[1]}\W*(\d+)" if step else "",
            )
    return list(found.values())


def choose(seen: Sequence[SeenMetric], *, own: Iterable[str] = ()) -> Chosen | None:
    """Return the metric to search for; None where nothing could be one.

    Args:
        seen: What the readers saw.
        own: Names of the metrics in a result that the run left itself.
    """
    if left := [SeenMetric(reader="", place="", name=name) for name in own]:
        seen = left
    ranked = sorted((each for each in seen if _is_metric(each)), key=_rank, reverse=True)
    if not ranked:
        return None
    best = ranked[0]
    is_more = best.reader != "hydra" and _is_in(best.name, _MORE)
    is_sure = best.reader != "hydra" and (is_more or _is_in(best.name, _LESS))
    others = dict.fromkeys(each.name for each in ranked if each.name != best.name and _is_worth_naming(each))
    return Chosen(
        metric=best.name,
        goal="maximize" if is_more or (not is_sure and best.rise > 0) else "minimize",
        is_sure=is_sure,
        results=_results(best, seen),
        others=tuple(others)[:8],
    )


def _results(best: SeenMetric, seen: Sequence[SeenMetric]) -> dict[str, Any]:
    if not best.reader:
        return {}
    block: dict[str, Any] = {"from": best.reader}
    if best.reader in ("tensorboard", "csv", "json", "npz", "jsonl"):
        block["path"] = pattern_of(best.place, reader=best.reader)
    if best.pattern:
        block["metrics"] = {best.name: best.pattern}
    step = best.step_pattern if best.pattern else _printed_step(best, seen) if best.reader == "stdout" else ""
    if step:
        block["step"] = step
    if best.count >= NOISY and re.search(
        r"(?i)episod\w*[_/ ](?:return|reward)|ep_\w*rew|^(?:return|reward)$", best.name
    ):
        block["reduce"] = f"mean:{NOISY}"
    return block


def pattern_of(place: str, *, reader: str) -> str:
    """Return a glob that fits a file of any run: parts with a digit in them are another run's number or time.

    A place of TensorBoard's is a folder, and says which process wrote there.
    """
    if reader == "tensorboard":
        place = f"{_PROCESS.sub('', place)}/*tfevents*"
    parts = PurePath(place).parts
    return "/".join(part if part == "/" else _without_numbers(part, last=part is parts[-1]) for part in parts)


def _without_numbers(part: str, *, last: bool) -> str:
    if not re.search(r"\d", part):
        return part
    return re.sub(r"\*?[\w.\-]*\d[\w\-]*", "*", part, count=1) if last else "*"


def _printed_step(best: SeenMetric, seen: Sequence[SeenMetric]) -> str:
    """Return the name that counts beside the metric: printed as often or more often, and called as steps are."""
    beside = [each for each in seen if each.reader == "stdout" and each.count >= best.count > 1]
    beside.sort(key=lambda each: each.count)
    return next(
        (
            each.name
            for each in beside
            if re.fullmatch(r"(?i)(?:global_?|total_?)?(?:steps?|iter\w*|epochs?)", each.name)
        ),
        "",
    )


def _is_metric(each: SeenMetric) -> bool:
    return bool(each.name) and not _is_in(each.name, _BOOKS) and not _SOURCE.search(each.name)


def _is_worth_naming(each: SeenMetric) -> bool:
    """Return whether its name alone finds it, and is not just any word before a number."""
    return not each.pattern and (each.reader != "stdout" or is_known(each.name))


def _rank(each: SeenMetric) -> tuple[float, float, float]:
    """Return how much speaks for a name: what it measures, on what, and who saw it."""
    kind = (
        3.0 if each.reader == "hydra" else 2.0 if _is_in(each.name, _MORE) else 1.0 if _is_in(each.name, _LESS) else 0.0
    )
    on = 1.0 if _is_in(each.name, _HELD_OUT) else -1.0 if _is_in(each.name, _OTHER) else 0.0
    place = -READERS.index(each.reader) if each.reader in READERS else 0
    one_of_many = 2.0 if _INDEXED.search(each.name) else 0.0
    return on + kind / 4 - one_of_many, place, each.count


def _is_in(name: str, words: re.Pattern[str]) -> bool:
    return words.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)) is not None


def is_known(name: str) -> bool:
    """Return whether the field knows a name as that of a metric."""
    return _is_in(name, _MORE) or _is_in(name, _LESS)


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?i)(?:^|[^a-z0-9])(?:{pattern})(?=$|[^a-z])")


_SPOKEN = re.compile(
    r"(?<![\w./@-])("
    r"(?:(?:\w+'s|train(?:ing)?|val(?:id(?:ation)?)?|test|eval(?:uation)?|dev|mean|avg|average|best|total"
    r"|episod\w+)[ ]+){0,2}"
    rf"[A-Za-z][\w/@]*)([ ]*[:=][ ]*|[ ]+){SPOKEN_NUMBER}(?!\w|\.\d)",
    re.IGNORECASE,
)
_SPOKEN_STEP = re.compile(r"\b((?:global[_ ])?step|iter(?:ation)?|epoch)\W*\d", re.IGNORECASE)
_INDEXED = re.compile(r"\[\d+\]")
"""One entry of a list: of a history the first is no result."""
_SOURCE = re.compile(r"\.(?:py|c|cc|cpp|go|js|jl|rs|R)$")
"""A line of a program's source, which logging prints."""

_MORE = _words(
    r"acc|accuracy|top_?[15]|reward|rewards|rew|return|returns|score|auc|auroc|auprc|f1|map\w*|miou|iou|dice|bleu\w*|rouge\w*"
    r"|r2|success|success_rate|win|win_rate|wins|precision|recall|psnr|ssim|elo|fitness|hit|ndcg|mrr|explained_variance"
)
_LESS = _words(
    r"loss|losses|error|err|mse|rmse|mae|mape|nll|bpb|bpd|bpc|perplexity|ppl|regret|fid|wer|cer|logloss|objective"
)
_HELD_OUT = _words(r"val|valid|validation|test|eval|evaluation|dev|heldout|held_out|holdout")
_OTHER = _words(
    r"train|training|std|stderr|se|min|value_loss|policy_loss|pg_loss|entropy_loss|v_loss|critic\w*|actor\w*|aux\w*|explained_variance|fold"
)
_BOOKS = re.compile(
    r"(?i)(?:^|[^a-z])(?:lr|learning_rate|epochs?|steps?|iter|iteration|iterations|global_step|timesteps?|total_timesteps|time"
    r"|time_elapsed|elapsed|seconds|fps|sps|it/s|eta|memory|mem|gpu|cpu|length|len|grad|gradnorm|grad_norm|norm|clipfrac|clip_fraction"
    r"|approx_kl|old_approx_kl|kl|entropy|n_updates|seed|runtime|timestamp|batch|lambda|gamma|params|parameters|version|pid|date"
    r"|hours|minutes|duration|wall|rank|size|count|num\w*)(?=$|[^a-z])"
)
