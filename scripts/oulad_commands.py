#!/usr/bin/env python3
"""Turns the OULAD files into commands for `annals import`: one JSON line a command.

    scripts/oulad_commands.py DIR > commands.ndjson
    scripts/oulad_commands.py DIR --out commands.ndjson --limit-students 300

Only Python's standard library. About 750,000 lines for the whole set, in well under a minute. The same files give the
same bytes, on every machine: running the import twice sends the same request ids and changes nothing.

A line:  {"key":"11391","service":"tasks","method":"SubmitWork","request":{...}}
`request` is the method's request in proto JSON (lowerCamelCase); lines of one `key` (the student) are sent strictly in
order, lines of different keys side by side.

What becomes what
-----------------
  module              an employer
  presentation        an internship of that employer, "<module> <presentation>"
  registration        SubmitApplication, ShortlistApplication, ScheduleInterview, CompleteInterview, MakeOffer,
                      AcceptOffer, all on the registration day: day 0 where it is missing, and never after day 0,
                      because the register of a placement opens on its start date
  the placement       starts by itself from the acceptance
  VLE student-day     ClockIn, for days 0 and later
  submission          AssignTask on day 0 (due at the end of the due day, or of the last day where there is none),
                      SubmitWork on its day (day 0 where that is negative), ReviewSubmission right after it with the
                      score: accepted from 40 up, else needs revision; without a score there is no review
  unregistration      TerminatePlacement on that day, or on the day of the registration where that is later
  Pass, Distinction   on the last day, with or without an unregistration: RecordEvaluation (4 or 5 in every category),
                      completion follows by itself, then IssueCertificate
  Fail, Withdrawn     without an unregistration: TerminatePlacement on the last day

What becomes nothing: exams (not work that is handed in), banked results (work of an earlier attempt, not of this
placement), clicks before day 0, everything about the person but the number.

Decisions
---------
* The script says what was recorded and judges nothing. A student who registers for a second presentation while holding
  a placement is refused by the server, and so is all that would follow from it; those lines are here as well.
  `oulad_expected.py` predicts the refusals.
* Order: by calendar day; on one day first applications, then assignments, clock-ins, submissions with their reviews,
  and last what ends a placement. Within such a phase: by student, then module, then presentation, then assessment.
* Times of day only spread that order over the day: applications from 08:00, assignments from 09:00, the clock-in at 10:00,
  submissions from 12:00, endings from 18:00 (UTC). They increase for each student, never reach the next phase, and
  say nothing about the real hour.
* A task belongs to one placement: its id derives from student and assessment.
* An id is a version 5 UUID over the record's natural key in NAMESPACE; the request id likewise, over the method and
  that key.
* The person is synthetic: "Student 11391", student-11391@example.org.
"""

import argparse
import csv
import hashlib
import json
import sys
import uuid
from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Optional

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://doi.org/10.1038/sdata.2017.171")
STARTS = {
    "2013B": date(2013, 2, 1),
    "2013J": date(2013, 10, 1),
    "2014B": date(2014, 2, 1),
    "2014J": date(2014, 10, 1),
}
PASS_MARK = 40
OFFER_DAYS = 14
CATEGORIES = ["QUALITY", "RELIABILITY", "INITIATIVE", "TEAMWORK", "COMMUNICATION"]
ISSUER = "The Open University"

# The phases of a day, and the second of the day at which each begins.
APPLY, ASSIGN, CLOCK_IN, HAND_IN, END = range(5)
PHASE_SECOND = {APPLY: 8 * 3600, ASSIGN: 9 * 3600, CLOCK_IN: 10 * 3600, HAND_IN: 12 * 3600, END: 18 * 3600}
# Seconds that one record of a student takes up within a phase: more than it has commands.
RECORD_SECONDS = 30


class Registration(NamedTuple):
    module: str
    presentation: str
    student: int
    registered: Optional[int]
    unregistered: Optional[int]
    result: str

    @property
    def day(self) -> int:
        """The day on which the application is made: day 0 where unknown, and never later."""
        return 0 if self.registered is None else min(self.registered, 0)


class Assessment(NamedTuple):
    module: str
    presentation: str
    id: int
    kind: str
    due: Optional[int]
    weight: str


class Submission(NamedTuple):
    assessment: Assessment
    student: int
    day: int
    banked: bool
    score: Optional[int]


class Records(NamedTuple):
    """The files, read."""

    lengths: dict  # (module, presentation) -> days
    registrations: list
    submissions: list
    clicks: set  # (module, presentation, student, day)


def number(text: str) -> Optional[int]:
    return None if text in ("", "?") else int(text)


def rows(directory: Path, name: str):
    with open(directory / name, newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def read(directory: Path) -> Records:
    lengths = {
        (r["code_module"], r["code_presentation"]): int(r["module_presentation_length"])
        for r in rows(directory, "courses.csv")
    }
    results = {
        (r["code_module"], r["code_presentation"], int(r["id_student"])): sys.intern(r["final_result"])
        for r in rows(directory, "studentInfo.csv")
    }
    registrations = []
    for r in rows(directory, "studentRegistration.csv"):
        key = (sys.intern(r["code_module"]), sys.intern(r["code_presentation"]), int(r["id_student"]))
        registrations.append(
            Registration(*key, number(r["date_registration"]), number(r["date_unregistration"]), results[key])
        )
    assessments = {
        r["id_assessment"]: Assessment(
            r["code_module"],
            r["code_presentation"],
            int(r["id_assessment"]),
            r["assessment_type"],
            number(r["date"]),
            r["weight"],
        )
        for r in rows(directory, "assessments.csv")
    }
    submissions = [
        Submission(
            assessments[r["id_assessment"]],
            int(r["id_student"]),
            int(r["date_submitted"]),
            r["is_banked"] == "1",
            number(r["score"]),
        )
        for r in rows(directory, "studentAssessment.csv")
    ]
    clicks = {
        (sys.intern(r["code_module"]), sys.intern(r["code_presentation"]), int(r["id_student"]), int(r["date"]))
        for r in rows(directory, "studentVle-sample.csv")
    }
    return Records(lengths, registrations, submissions, clicks)


# --- which students a sample holds ------------------------------------------------------------------------------


def traits(records: Records) -> dict:
    """What is worth having in a sample, by student: outcomes of every presentation, and every rare case."""
    found = defaultdict(set)
    by_student = defaultdict(list)
    for r in records.registrations:
        by_student[r.student].append(r)
        length = records.lengths[r.module, r.presentation]
        found[r.student].add(f"{r.module} {r.presentation} {r.result}")
        if r.registered is None:
            found[r.student].add("no registration day")
        elif r.registered > 0:
            found[r.student].add("registered late")
        if r.unregistered is None:
            if r.result == "Withdrawn":
                found[r.student].add("withdrawn, no day")
            continue
        if r.unregistered < 0:
            found[r.student].add("unregistered before the start")
        if r.unregistered > length:
            found[r.student].add("unregistered after the end")
        if r.unregistered < r.day:
            found[r.student].add("unregistered before the registration")
        if r.result == "Fail":
            found[r.student].add("failed and unregistered")
    for student, held in by_student.items():
        if len(held) < 2:
            continue
        spans = sorted(calendar_span(records, r) for r in held)
        overlaps = any(later[0] <= earlier[1] for earlier, later in zip(spans, spans[1:]))
        same_start = any(later[0] == earlier[0] for earlier, later in zip(spans, spans[1:]))
        touches = any(later[0] == earlier[1] for earlier, later in zip(spans, spans[1:]))
        found[student].add("second registration, overlapping" if overlaps else "second registration, apart")
        if same_start:
            found[student].add("two registrations on one day")
        if touches:
            found[student].add("registered on the day of an ending")
        if len(held) > 2:
            found[student].add(f"{len(held)} registrations")
    ends = {(r.module, r.presentation, r.student): r for r in records.registrations}
    for s in records.submissions:
        a = s.assessment
        r = ends[a.module, a.presentation, s.student]
        end = r.unregistered if r.unregistered is not None else records.lengths[a.module, a.presentation]
        if a.kind == "Exam":
            found[s.student].add("exam")
        elif s.banked:
            found[s.student].add("banked")
        else:
            if s.day < 0:
                found[s.student].add("submission before the start")
            if s.day > end:
                found[s.student].add("submission after the end")
            if s.day == end:
                found[s.student].add("submission on the last day")
            if s.score is None:
                found[s.student].add("no score")
            elif s.score in (PASS_MARK - 1, PASS_MARK):
                found[s.student].add(f"score {s.score}")
    for _, _, student, day in records.clicks:
        found[student].add("clicks before the start" if day < 0 else f"clicks on day {day}")
    return found


def calendar_span(records: Records, r: Registration) -> tuple:
    """First and last calendar day of a registration, as if nothing were refused."""
    start = STARTS[r.presentation].toordinal()
    last = records.lengths[r.module, r.presentation] if r.unregistered is None else max(r.unregistered, r.day)
    return start + r.day, start + last


def choose_students(records: Records, count: int) -> set:
    """`count` students, the same ones every time: each trait once before any is had twice, and so on."""
    found = traits(records)
    order = sorted(found, key=lambda student: hashlib.sha256(str(student).encode()).digest())
    chosen, had = set(), defaultdict(int)
    quota = 0
    while len(chosen) < min(count, len(order)):
        quota += 1
        for student in order:
            if len(chosen) >= count:
                break
            if student not in chosen and any(had[trait] < quota for trait in found[student]):
                chosen.add(student)
                for trait in found[student]:
                    had[trait] += 1
    return chosen


def only(records: Records, students: set) -> Records:
    return Records(
        records.lengths,
        [r for r in records.registrations if r.student in students],
        [s for s in records.submissions if s.student in students],
        {c for c in records.clicks if c[2] in students},
    )


# --- from records to commands -----------------------------------------------------------------------------------


def derived(kind: str, *parts) -> str:
    """uuid.uuid5(NAMESPACE, "<kind>/<part>/..."), without the cost of building a UUID object."""
    name = "/".join((kind, *map(str, parts)))
    digest = bytearray(hashlib.sha1(NAMESPACE.bytes + name.encode(), usedforsecurity=False).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x50
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def placement_of(module: str, presentation: str, student: int) -> str:
    return derived("placement", module, presentation, student)


class Clock:
    """The time of a record on its day; each command of the record takes the next second."""

    def __init__(self, ordinal: int, phase: int, nth: int):
        self.ordinal = ordinal
        midnight = datetime.combine(date.fromordinal(ordinal), datetime.min.time())
        self.now = midnight + timedelta(seconds=PHASE_SECOND[phase] + nth * RECORD_SECONDS)

    def tick(self) -> str:
        self.now += timedelta(seconds=1)
        return self.text()

    def text(self, **later) -> str:
        return (self.now + timedelta(**later)).strftime("%Y-%m-%dT%H:%M:%SZ")


def apply(r: Registration, length: int, clock: Clock):
    module, presentation, student = r[:3]
    application = derived("application", module, presentation, student)
    natural = (module, presentation, student)

    def line(method, **fields):
        return command("applications", method, natural, clock, {"applicationId": application, **fields})

    yield line(
        "SubmitApplication",
        studentId=derived("student", student),
        internship={
            "internshipId": derived("internship", module, presentation),
            "employerId": derived("employer", module),
            "title": f"{module} {presentation}",
            "employerName": f"Module {module}",
            "description": f"Presentation {presentation} of module {module}, {length} days.",
        },
        profile={"name": f"Student {student}", "email": f"student-{student}@example.org", "statement": ""},
    )
    yield line("ShortlistApplication")
    # Held when it is recorded as held: one second after it was scheduled.
    yield line("ScheduleInterview", scheduledAt=clock.text(seconds=2))
    yield line("CompleteInterview", notes="")
    terms = {
        "startDate": STARTS[presentation].isoformat(),
        "minimumDays": length,
        "requiredAttendanceRate": 0,
        "requiredTaskShare": 0,
        "kpis": [],
    }
    yield line("MakeOffer", validUntil=clock.text(days=OFFER_DAYS, seconds=1), terms=terms)
    yield line("AcceptOffer", placementId=placement_of(module, presentation, student))


def assign(s: Submission, length: int, clock: Clock):
    a = s.assessment
    due_day = STARTS[a.presentation] + timedelta(days=length if a.due is None else a.due)
    yield command(
        "tasks",
        "AssignTask",
        (a.id, s.student),
        clock,
        {
            "placementId": placement_of(a.module, a.presentation, s.student),
            "taskId": derived("task", a.id, s.student),
            "title": f"{a.kind} {a.id}",
            "description": f"Weight {a.weight} of 100.",
            "dueAt": f"{due_day.isoformat()}T23:59:59.999999Z",
            "mandatory": False,
        },
    )


def clock_in(module: str, presentation: str, student: int, clock: Clock):
    day = date.fromordinal(clock.ordinal).isoformat()
    yield command(
        "attendance",
        "ClockIn",
        (module, presentation, student, day),
        clock,
        {"placementId": placement_of(module, presentation, student), "date": day},
    )


def hand_in(s: Submission, clock: Clock):
    a = s.assessment
    placement = placement_of(a.module, a.presentation, s.student)
    submission = derived("submission", a.id, s.student)
    yield command(
        "tasks",
        "SubmitWork",
        (a.id, s.student),
        clock,
        {
            "placementId": placement,
            "taskId": derived("task", a.id, s.student),
            "submissionId": submission,
            "artifacts": [
                {"link": f"https://example.org/oulad/{a.id}/{s.student}", "name": f"{a.kind} {a.id}"}
            ],
            "comment": "",
        },
    )
    if s.score is None:
        return
    verdict = "ACCEPTED" if s.score >= PASS_MARK else "NEEDS_REVISION"
    yield command(
        "tasks",
        "ReviewSubmission",
        (a.id, s.student),
        clock,
        {
            "placementId": placement,
            "submissionId": submission,
            "verdict": f"REVIEW_VERDICT_{verdict}",
            "score": s.score,
            "feedback": "",
        },
    )


def succeed(r: Registration, clock: Clock):
    natural = r[:3]
    placement = placement_of(*natural)
    rating = 5 if r.result == "Distinction" else 4
    ratings = [{"category": f"CATEGORY_{category}", "rating": rating} for category in CATEGORIES]
    yield command(
        "evaluations",
        "RecordEvaluation",
        natural,
        clock,
        {"placementId": placement, "ratings": ratings, "comments": ""},
    )
    yield command(
        "certificates",
        "IssueCertificate",
        natural,
        clock,
        {"placementId": placement, "certificateId": derived("certificate", *natural), "issuerName": ISSUER},
    )


def terminate(r: Registration, reason: str, clock: Clock):
    natural = r[:3]
    fields = {"placementId": placement_of(*natural), "reason": reason}
    yield command("placements", "TerminatePlacement", natural, clock, fields)


def command(service: str, method: str, natural: tuple, clock: Clock, fields: dict) -> dict:
    request = {"requestId": derived("request", method, *natural), "occurredAt": clock.tick(), **fields}
    return {"service": service, "method": method, "request": request}


def schedule(records: Records) -> list:
    """Every record as (calendar day, phase, student, module, presentation, assessment or order, what, record), sorted."""
    plan = []

    def put(r, day, phase, order, what):
        ordinal = STARTS[r.presentation].toordinal() + day
        plan.append((ordinal, phase, r.student, r.module, r.presentation, order, what, r))

    for r in records.registrations:
        length = records.lengths[r.module, r.presentation]
        put(r, r.day, APPLY, 0, "apply")
        if r.result in ("Pass", "Distinction"):
            put(r, length, END, 0, "succeed")
        if r.unregistered is not None:
            put(r, max(r.unregistered, r.day), END, 1, "unregistered")
        elif r.result in ("Fail", "Withdrawn"):
            put(r, length, END, 1, "failed" if r.result == "Fail" else "withdrawn")
    for s in records.submissions:
        a = s.assessment
        if a.kind == "Exam" or s.banked:
            continue
        start = STARTS[a.presentation].toordinal()
        plan.append((start, ASSIGN, s.student, a.module, a.presentation, a.id, "assign", s))
        plan.append((start + max(s.day, 0), HAND_IN, s.student, a.module, a.presentation, a.id, "hand in", s))
    for module, presentation, student, day in records.clicks:
        if day >= 0:
            ordinal = STARTS[presentation].toordinal() + day
            plan.append((ordinal, CLOCK_IN, student, module, presentation, 0, "clock in", None))
    # Never compares the records: what comes before them is unique.
    plan.sort(key=lambda item: item[:6])
    return plan


def commands(records: Records):
    """Every line, in order."""
    previous, nth = None, 0
    for ordinal, phase, student, module, presentation, _, what, record in schedule(records):
        # Records of one student in one phase of one day follow each other.
        nth = nth + 1 if (ordinal, phase, student) == previous else 0
        previous = (ordinal, phase, student)
        clock = Clock(ordinal, phase, nth)
        length = records.lengths[module, presentation]
        if what == "apply":
            made = apply(record, length, clock)
        elif what == "assign":
            made = assign(record, length, clock)
        elif what == "clock in":
            made = clock_in(module, presentation, student, clock)
        elif what == "hand in":
            made = hand_in(record, clock)
        elif what == "succeed":
            made = succeed(record, clock)
        else:
            made = terminate(record, what, clock)
        for line in made:
            yield {"key": str(student), **line}


def main() -> None:
    parser = argparse.ArgumentParser(description="Turns the OULAD files into commands for `annals import`.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="the folder with the CSV files")
    parser.add_argument("--limit-students", type=int, metavar="N", help="only N students, a representative choice")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write to FILE instead of standard output")
    options = parser.parse_args()
    records = read(options.directory)
    if options.limit_students is not None:
        records = only(records, choose_students(records, options.limit_students))
    out = open(options.out, "w", encoding="utf-8") if options.out else sys.stdout
    encode = json.JSONEncoder(separators=(",", ":")).encode
    for line in commands(records):
        out.write(encode(line) + "\n")
    out.flush()
    if options.out:
        out.close()


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        sys.exit(1)
