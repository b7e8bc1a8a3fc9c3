"""The page of a data analysis: one HTML file that needs nothing else, readable on a phone, without any script."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tidewheel.statistics import ColumnDistance, Profile, ProfileComparison
from tidewheel.steps import analysis_charts as charts
from tidewheel.steps.analysis_columns import column_cards, moment
from tidewheel.steps.analysis_relations import MissingPattern, Pair, Target, TimeCourse
from tidewheel.steps.analysis_style import STYLE
from tidewheel.steps.preparation_work import PreparationWork

_STRONG = 12
_RELATIONS = 12
_COURSES = 12
_MEASURES = {"spearman": "rank correlation", "cramers_v": "Cramér's V", "correlation_ratio": "correlation ratio"}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def render_page(
    title: str,
    profile: Profile,
    *,
    sampled_rows: int,
    gaps: Sequence[MissingPattern],
    pairs: Sequence[Pair],
    target: Target | None,
    course: TimeCourse | None,
    reference: Profile | None,
    comparison: ProfileComparison | None,
    work: Sequence[PreparationWork],
) -> str:
    """The whole page; equal findings give equal bytes."""
    sample = "" if sampled_rows == profile.row_count else f" From a sample of {sampled_rows:,} rows."
    sections = [
        ("changes", "What has changed", _changes(comparison)),
        ("columns", "Columns", _columns(profile, reference)),
        ("missing", "Missing values", _missing(profile, gaps, sampled_rows, sample)),
        ("pairs", "Columns together", _pairs(profile, pairs, sample)),
        ("target", f"Target: {charts.short(target.name, 40)}" if target else "", _target(target, sample)),
        (
            "time",
            f"Over time: {charts.short(course.name, 40)}" if course else "",
            _time(profile, course, target, sample),
        ),
        ("work", "Preparation suggested", _work(work)),
    ]
    shown = [(key, name, body) for key, name, body in sections if body]
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in shown)
    bodies = "".join(f'<h2 id="{key}">{escape(name)}</h2>{body}' for key, name, body in shown)
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{_tiles(profile, work)}<nav>{links}</nav>{bodies}</main></body></html>\n"
    )


def _tiles(profile: Profile, work: Sequence[PreparationWork]) -> str:
    cells = profile.row_count * len(profile.columns)
    missing = sum(column.missing_count for column in profile.columns)
    urgent = sum(one.is_urgent for one in work)
    tiles = [
        (f"{profile.row_count:,}", "rows"),
        (f"{len(profile.columns):,}", "columns"),
        (charts.percent(missing / cells) if cells else "–", "of all values missing"),
        (str(sum(column.is_constant for column in profile.columns)), "constant columns"),
        (str(len(work)), f"things to prepare{f', {urgent} urgent' if urgent else ''}"),
    ]
    return f'<div class="tiles">{"".join(f"<div class=tile><b>{a}</b>{b}</div>" for a, b in tiles)}</div>'


def _columns(profile: Profile, reference: Profile | None) -> str:
    note = (
        "Bars are shares of the rows that have a value; very far ones are left out of the picture, not of the figures."
    )
    if reference is not None:
        note += " The orange line or tick is what it was before."
    return f'<p class="note">{note}</p>{column_cards(profile, reference)}'


def _missing(profile: Profile, gaps: Sequence[MissingPattern], sampled_rows: int, sample: str) -> str:
    found = [column for column in profile.columns if column.missing_count]
    if not profile.row_count:
        return ""
    if not found:
        return '<p class="note">Every row has a value in every column.</p>'
    found.sort(key=lambda column: -column.missing_share)
    rows = [(column.name, column.missing_share, charts.percent(column.missing_share)) for column in found[:60]]
    rest = len(profile.columns) - len(found)
    others = f"{rest:,} other {'column has' if rest == 1 else 'columns have'} one in every row"
    note = f"Share of rows without a value (null, or NaN). {others}."
    shares = f'<p class="note">{note}</p><div class="card">{charts.rows_of_bars(rows, highest=1.0)}</div>'
    if not any(len(gap.columns) > 1 for gap in gaps):
        return shares
    together = [
        (
            " + ".join(charts.short(name, 24) for name in gap.columns),
            gap.row_count / sampled_rows,
            charts.percent(gap.row_count / sampled_rows),
        )
        for gap in gaps
    ]
    return (
        f'{shares}<div class="card" style="margin-top:12px"><header><h3>Missing together, exactly these columns</h3>'
        f'<span class="type">share of rows.{escape(sample)}</span></header>{charts.rows_of_bars(together)}</div>'
    )


def _pairs(profile: Profile, pairs: Sequence[Pair], sample: str) -> str:
    if not pairs:
        return ""
    named = {name for pair in pairs for name in (pair.first, pair.second)}
    names = [column.name for column in profile.columns if column.name in named]
    place = {name: at for at, name in enumerate(names)}
    cells: list[list[float | None]] = [[None] * len(names) for _ in names]
    told = [[""] * len(names) for _ in names]
    for pair in pairs:
        text = (
            f"{pair.first} and {pair.second}: {pair.association.strength:.2f} ({_MEASURES[pair.association.measure]})"
        )
        for a, b in ((pair.first, pair.second), (pair.second, pair.first)):
            cells[place[a]][place[b]] = pair.association.strength
            told[place[a]][place[b]] = text
    strong = [
        (
            f"{charts.short(pair.first, 24)} · {charts.short(pair.second, 24)}",
            pair.association.strength,
            f"{pair.association.strength:.2f}",
        )
        for pair in pairs[:_STRONG]
    ]
    note = (
        "How strongly two columns go together: 0 not at all, 1 fully. Numbers by rank correlation (blue when one falls"
        f" as the other rises), categories by Cramér's V, both by the correlation ratio.{sample}"
    )
    matrix = charts.heat(cells, names, names, told, is_slanted=True)
    return (
        f'<p class="note">{note}</p><div class="card scroll">{matrix}</div>'
        f'<div class="card" style="margin-top:12px"><header><h3>Strongest</h3></header>'
        f"{charts.rows_of_bars(strong, highest=1.0)}</div>"
    )


def _target(target: Target | None, sample: str) -> str:
    if target is None:
        return ""
    shown = target.relations[:_RELATIONS]
    ranking = [(one.column, one.strength, f"{one.strength:.2f}") for one in target.relations[:30]]
    cards = []
    for relation in shown:
        rows = [(label, mean, f"{charts.number(mean)}") for label, _, mean in relation.bins]
        counts = [count for _, count, _ in relation.bins]
        if not rows or not any(counts):
            continue
        cards.append(
            f'<section class="card"><header><h3>{escape(charts.short(relation.column, 60))}</h3>'
            f'<span class="type">strength {relation.strength:.2f}</span></header>{charts.rows_of_bars(rows)}</section>'
        )
    note = (
        f"Below: {escape(target.meaning)} by the values of each column, the strongest first; numbers in ten groups of"
        f" equally many rows.{sample} A strength near 1 is more often a leak than luck."
    )
    return (
        f'<p class="note">{note}</p><div class="card"><header><h3>Strength of each column</h3></header>'
        f"{charts.rows_of_bars(ranking, highest=1.0)}</div>"
        f'<div class="cards" style="margin-top:12px">{"".join(cards)}</div>'
    )


def _time(profile: Profile, course: TimeCourse | None, target: Target | None, sample: str) -> str:
    if course is None:
        return ""
    is_daily = course.step >= 86_400_000_000
    labels = [moment(start, with_time=not is_daily) for start in course.starts]
    ends = (labels[0], labels[-1])
    scale = profile.row_count / max(1, sum(course.rows))
    cards = [_course_card("Rows", [round(rows * scale) for rows in course.rows], labels, ends, from_zero=True)]
    wanted = sorted(course.means, key=lambda name: target is None or name != target.name)
    cards += [_course_card(f"Mean of {name}", course.means[name], labels, ends) for name in wanted[:_COURSES]]
    cards += [
        _course_card(f"Share missing in {name}", course.missing[name], labels, ends, from_zero=True)
        for name in list(course.missing)[:_COURSES]
    ]
    hours = profile.column(course.name).hours
    week = _week(hours) if any(hours) and len({at % 24 for at, rows in enumerate(hours) if rows}) > 1 else ""
    return (
        f'<p class="note">One point for each {_length(course.step)}.{sample}</p>'
        f'<div class="cards">{"".join(cards)}</div>{week}'
    )


def _course_card(
    name: str, values: Sequence[float | None], labels: Sequence[str], ends: tuple[str, str], *, from_zero: bool = False
) -> str:
    drawn = charts.line(values, labels, ends, from_zero=from_zero)
    title = escape(charts.short(name, 60))
    return f'<section class="card"><header><h3>{title}</h3></header>{drawn}</section>' if drawn else ""


def _week(hours: Sequence[int]) -> str:
    most, total = max(hours), sum(hours)
    cells: list[list[float | None]] = [[hours[24 * day + hour] / most for hour in range(24)] for day in range(7)]
    told = [
        [f"{_DAYS[day]} {hour}:00 UTC: {charts.percent(hours[24 * day + hour] / total)}" for hour in range(24)]
        for day in range(7)
    ]
    drawn = charts.heat(cells, _DAYS, [str(hour) for hour in range(24)], told)
    return (
        '<div class="card scroll" style="margin-top:12px"><header><h3>Rows by hour of the week (UTC)</h3></header>'
        f"{drawn}</div>"
    )


_EXEMPTIONS = {"time": "a time", "unique": "an identifier", "ignored": "ignored", "contract": "exempt by contract"}


def _changes(comparison: ProfileComparison | None) -> str:
    if comparison is None:
        return ""
    schema = [("added", name) for name in comparison.added] + [("removed", name) for name in comparison.removed]
    schema += [("retyped", f"{name}: {old} → {new}") for name, old, new in comparison.retyped]
    listed = "".join(f'<li><span class="pill urgent">{kind}</span> {escape(text)}</li>' for kind, text in schema)
    moved = len(comparison.moved)
    judged = sum(column.is_judged for column in comparison.columns)
    note = (
        f"{comparison.reference_rows:,} rows before, {comparison.current_rows:,} now. {moved} of {judged} columns have"
        " moved: significantly (corrected for the number of columns) and by a Jensen-Shannon distance of at least 0.1,"
        " or 2 points more or less missing. Times and identifiers move by nature and are not judged,"
        " nor are columns that were to be ignored or that the table's contract exempts."
    )
    head = "".join(
        f'<th class="{kind}">{name}</th>'
        for name, kind in (
            ("column", ""), ("", ""), ("distance", "n"), ("PSI", "n hide"), ("KS", "n hide"), ("shift, sd", "n"),
            ("missing before → now", "n"),
        )
    )  # fmt: skip
    order = sorted(
        comparison.columns, key=lambda one: (not one.has_moved, not one.is_judged, -(one.jensen_shannon or 0))
    )
    body = "".join(_changed_row(column) for column in order)
    return (
        f'<p class="note">{note}</p>{f"<ul>{listed}</ul>" if listed else ""}'
        f'<div class="card scroll"><table><tr>{head}</tr>{body}</table></div>'
    )


def _changed_row(column: ColumnDistance) -> str:
    state = '<span class="pill urgent">moved</span>' if column.has_moved else ""
    if not column.is_judged:
        state = f'<span class="pill">not judged: {_EXEMPTIONS[column.exemption]}</span>'
    numbers = "".join(
        f'<td class="n{hide}">{"–" if value is None else f"{value:.3f}"}</td>'
        for value, hide in (
            (column.jensen_shannon, ""),
            (column.psi, " hide"),
            (column.ks, " hide"),
            (column.wasserstein, ""),
        )
    )
    missing = f"{charts.percent(column.missing_before)} → {charts.percent(column.missing_after)}"
    name = escape(charts.short(column.name, 40))
    return f'<tr><td>{name}</td><td>{state}</td>{numbers}<td class="n">{missing}</td></tr>'


def _work(work: Sequence[PreparationWork]) -> str:
    if not work:
        return '<p class="note">Nothing: the table can be used as it is.</p>'
    rows = "".join(
        f"<tr><td>{escape(charts.short(one.column, 40)) or '<em>table</em>'}</td>"
        f'<td><span class="pill{" urgent" if one.is_urgent else ""}">{escape(one.topic)}</span></td>'
        f"<td>{escape(one.finding)}</td><td>{escape(one.suggestion)}</td></tr>"
        for one in work
    )
    head = "<tr><th>column</th><th>about</th><th>what was seen</th><th>what to do</th></tr>"
    return f'<div class="card scroll"><table>{head}{rows}</table></div>'


def _length(step: float) -> str:
    minutes = step / 60_000_000
    for limit, name in (
        (525_949, "year"),
        (43_829, "month"),
        (10_080, "week"),
        (1_440, "day"),
        (60, "hour"),
        (1, "minute"),
    ):
        if minutes >= limit:
            count = round(minutes / limit)
            return name if count == 1 else f"{count} {name}s"
    return f"{step / 1_000_000:g} s"
