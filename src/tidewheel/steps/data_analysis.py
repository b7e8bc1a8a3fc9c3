"""Data analysis: what a table looks like, for a person who has to decide what to do with it. Paper: "data analysis"."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from tidewheel.core.errors import NotFoundError, ParameterError
from tidewheel.pipeline import step
from tidewheel.statistics import Profile, ProfileComparison, compare_profiles
from tidewheel.statistics.association import Variable
from tidewheel.statistics.profile_pass import profile_batches
from tidewheel.steps.analysis_page import render_page
from tidewheel.steps.analysis_relations import (
    MissingPattern,
    Pair,
    Target,
    TimeCourse,
    all_pairs,
    missing_patterns,
    over_time,
    relate_to_target,
)
from tidewheel.steps.analysis_sample import SAMPLE_ROWS, Sampler, variables_of
from tidewheel.steps.preparation_work import PreparationWork, preparation_work


class DataAnalysis(NamedTuple):
    """The outputs of the step.

    Attributes:
        profile: what was observed of each column.
        report: all findings as JSON types.
        page: the HTML page, UTF-8; it needs nothing else.
    """

    profile: Profile
    report: dict[str, Any]
    page: bytes


@dataclass(frozen=True, slots=True)
class TableAnalysis:
    """What was found out about a table.

    Args:
        title: what the table is called in reports.
        profile: of all rows.
        sampled_rows: the rows from which pairs, target and course were computed.
        gaps: columns that are missing together.
        pairs: columns two by two, the strongest first.
        target: the column to be predicted against the others, if one was named.
        course: how columns move with time, if there is a time column.
        reference: an earlier profile of the table, and `comparison` with it.
        work: what to prepare.
    """

    title: str
    profile: Profile
    sampled_rows: int
    gaps: tuple[MissingPattern, ...]
    pairs: tuple[Pair, ...]
    target: Target | None
    course: TimeCourse | None
    reference: Profile | None
    comparison: ProfileComparison | None
    work: tuple[PreparationWork, ...]

    def __repr__(self) -> str:
        return f"<analysis of {self.title}: {self.profile.row_count:,} rows, {len(self.work)} findings in `work`>"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, for programs."""
        return {
            "title": self.title,
            **self.profile.summary(),
            "sampled_rows": self.sampled_rows,
            "gaps": [asdict(gap) for gap in self.gaps],
            "pairs": [asdict(pair) for pair in self.pairs],
            "target": asdict(self.target) if self.target else None,
            "course": asdict(self.course) if self.course else None,
            "comparison": self.comparison.to_dict() if self.comparison else None,
            "work": [asdict(work) for work in self.work],
        }

    def to_html(self) -> str:
        """The page."""
        return render_page(
            self.title,
            self.profile,
            sampled_rows=self.sampled_rows,
            gaps=self.gaps,
            pairs=self.pairs,
            target=self.target,
            course=self.course,
            reference=self.reference,
            comparison=self.comparison,
            work=self.work,
        )


@step
def data_analysis(
    rows: pa.Table,
    reference: Profile | None = None,
    *,
    title: str = "Data analysis",
    target: str = "",
    time: str = "",
    ignore: tuple[str, ...] = (),
) -> DataAnalysis:
    """Profiles rows and reports on them.

    Args:
        rows: the table; columns of any type.
        reference: an earlier profile, with which to compare.
        title: of the page.
        target: the column that is to be predicted; empty for none.
        time: the column with the time that rows are about; empty for the one with the most different times.
        ignore: columns that are compared with the reference, but not called moved, such as the number of the month.

    Raises:
        NotFoundError: `target`, `time` or a column to be ignored is no column.
    """
    found = analyze(
        rows.to_batches(),
        rows.schema,
        rows.num_rows,
        title=title,
        target=target,
        time=time,
        reference=reference,
        ignore=ignore,
    )
    return DataAnalysis(found.profile, found.to_dict(), found.to_html().encode())


def analyze(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    row_count: int,
    *,
    title: str,
    target: str = "",
    time: str = "",
    reference: Profile | None = None,
    ignore: Collection[str] = (),
    exempt: Collection[str] = (),
    threads: int | None = None,
) -> TableAnalysis:
    """Looks at every row once, and at a sample of them column against column; memory does not grow with the rows.

    Args:
        batches: the rows, of the columns of `schema`.
        row_count: how many will come; it decides which are sampled.
        title, target, time, reference, ignore: as of `data_analysis`.
        exempt: columns that the contract of the table keeps out of the comparison, as `ignore` does.
        threads: how many look; all cores by default.

    Raises:
        NotFoundError: `target` or `time` is no column.
        ParameterError: it is a column that cannot be used so.
    """
    for name in (target, time):
        if name and name not in schema.names:
            raise NotFoundError("column", name, known=schema.names)
    sampler = Sampler(row_count, SAMPLE_ROWS)
    profile = profile_batches(sampler.watch(batches), schema, threads=threads)
    sample = sampler.sample(schema)
    variables = variables_of(sample)
    pairs = tuple(all_pairs(variables))
    related = relate_to_target(_target(target, variables, profile), variables) if target and len(sample) else None
    moments = _time(time, variables, profile)
    return TableAnalysis(
        title=title,
        profile=profile,
        sampled_rows=sample.num_rows,
        gaps=missing_patterns(variables),
        pairs=pairs,
        target=related,
        course=over_time(moments, variables) if moments is not None else None,
        reference=reference,
        comparison=compare_profiles(reference, profile, ignore=ignore, exempt=exempt) if reference else None,
        work=preparation_work(profile, pairs, related),
    )


def _target(name: str, variables: list[Variable], profile: Profile) -> Variable:
    found = next((variable for variable in variables if variable.name == name), None)
    if found is None:
        column = profile.column(name)
        raise ParameterError(
            f"column {name!r} of type {column.type} cannot be a target: it has no value, or hardly any twice",
            next_step="name a column of numbers, booleans or categories",
        )
    return found


def _time(name: str, variables: list[Variable], profile: Profile) -> Variable | None:
    """The named one, or that with the most different times."""
    times = [variable for variable in variables if variable.is_time]
    if not name:
        return max(times, key=lambda one: profile.column(one.name).distinct_count, default=None)
    found = next((variable for variable in times if variable.name == name), None)
    if found is None and profile.row_count:
        raise ParameterError(
            f"column {name!r} of type {profile.column(name).type} is no time",
            next_step=f"name one of: {', '.join(one.name for one in times) or '(there is none)'}",
        )
    return found
