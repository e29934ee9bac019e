#!/usr/bin/env python3
"""What a right import of the OULAD files must show, computed from the CSV files alone.

    scripts/oulad_expected.py DIR > expected.json

This is the other half of a comparison: it shares no code with `oulad_commands.py`, reads neither commands nor protos,
and simulates no server. It reasons over whole registrations:

1. A registration begins on day min(registration day, 0), or 0 where that is missing.
2. It would end on day
       max(unregistration, its beginning)   where there is an unregistration,
       but never after the last day         where the result is Pass or Distinction (evaluated then),
       the last day                         otherwise.
   Every registration has one of these, so every placement ends.
3. A student's registrations, in order of calendar day, module, presentation: one is accepted exactly where its
   calendar day lies after the end of the accepted one before it. On the very day of that ending it is still refused,
   because on one day applications come first.
4. An accepted registration completes where it is a Pass or Distinction that was not unregistered before the last day;
   else it is terminated. On the last day itself the evaluation comes before the unregistration.
5. What lies on a day up to and including the end is accepted, later things are refused. Assignments lie on day 0.

Refusals, by the domain's reasons:

    SubmitApplication        ACTIVE_PLACEMENT_EXISTS   where 3 says no
    the five that follow     APPLICATION_UNKNOWN       there is no such application
    AssignTask, ClockIn      PLACEMENT_NOT_ACTIVE      never started, or over
    SubmitWork               PLACEMENT_NOT_ACTIVE      never started, or over
    ReviewSubmission         PLACEMENT_NOT_ACTIVE      the submission was refused for that reason, so is its review
    RecordEvaluation         PLACEMENT_NOT_ACTIVE      never started, or over
    IssueCertificate         NOT_ELIGIBLE              no completed placement
    TerminatePlacement       PLACEMENT_NOT_ACTIVE      never started, or completed on the same day
"""

import argparse
import csv
import datetime
import json
import pathlib
from collections import Counter, defaultdict

FIRST_DAYS = {"B": (2, 1), "J": (10, 1)}  # 2013B begins on 1 February, 2013J on 1 October
FOLLOWING = ("ShortlistApplication", "ScheduleInterview", "CompleteInterview", "MakeOffer", "AcceptOffer")
FIGURES = (
    "applications",
    "accepted",
    "placements",
    "completed",
    "terminated",
    "days_present",
    "tasks",
    "submissions",
    "submissions_late",
    "reviews_accepted",
    "reviews_needing_revision",
    "score_sum",
    "evaluations",
    "certificates",
)


def load(directory, name):
    with open(directory / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def day_or_none(text):
    return int(text) if text.strip("?") else None


def presentation_of(row):
    return row["code_module"], row["code_presentation"]


def first_day(presentation):
    month, day = FIRST_DAYS[presentation[4]]
    return datetime.date(int(presentation[:4]), month, day)


class Enrolment:
    """One row of studentRegistration.csv, judged."""

    def __init__(self, row, result, length):
        self.student = row["id_student"]
        self.where = presentation_of(row)
        registered = day_or_none(row["date_registration"])
        unregistered = day_or_none(row["date_unregistration"])
        self.begins = min(0, registered if registered is not None else 0)
        self.passed = result in ("Pass", "Distinction")
        self.length = length
        self.leaves = None if unregistered is None else max(unregistered, self.begins)
        if self.leaves is None:
            self.ends = length
        else:
            self.ends = min(self.leaves, length) if self.passed else self.leaves
        self.completes = self.passed and self.ends == length
        self.accepted = None
        origin = first_day(self.where[1])
        self.begins_on = origin + datetime.timedelta(days=self.begins)
        self.ends_on = origin + datetime.timedelta(days=self.ends)

    def runs_on(self, day):
        return self.accepted and day <= self.ends


def judge(enrolments):
    """Point 3: who gets the placement."""
    by_student = defaultdict(list)
    for enrolment in enrolments:
        by_student[enrolment.student].append(enrolment)
    for mine in by_student.values():
        busy_until = datetime.date.min
        for enrolment in sorted(mine, key=lambda e: (e.begins_on, e.where)):
            enrolment.accepted = enrolment.begins_on > busy_until
            if enrolment.accepted:
                busy_until = enrolment.ends_on


def expect(directory):
    lengths = {presentation_of(r): int(r["module_presentation_length"]) for r in load(directory, "courses.csv")}
    results = {(*presentation_of(r), r["id_student"]): r["final_result"] for r in load(directory, "studentInfo.csv")}
    enrolments = {}
    for row in load(directory, "studentRegistration.csv"):
        where = presentation_of(row)
        enrolments[(*where, row["id_student"])] = Enrolment(row, results[(*where, row["id_student"])], lengths[where])
    judge(enrolments.values())

    totals = defaultdict(lambda: dict.fromkeys(FIGURES, 0))
    accepted, refused = Counter(), defaultdict(Counter)
    register = []

    def count(method, reason=None):
        if reason is None:
            accepted[method] += 1
        else:
            refused[method][reason] += 1
        return reason is None

    for enrolment in enrolments.values():
        count_enrolment(enrolment, totals, count, register)
    for row in work(directory, lengths):
        count_work(row, enrolments[(*row["where"], row["student"])], totals, count)
    clicked = {(*presentation_of(r), r["id_student"], int(r["date"])) for r in load(directory, "studentVle-sample.csv")}
    for *key, day in clicked:
        if day < 0:
            continue
        enrolment = enrolments[tuple(key)]
        if count("attendance.ClockIn", None if enrolment.runs_on(day) else "PLACEMENT_NOT_ACTIVE"):
            totals[enrolment.where]["days_present"] += 1

    return {
        "internships": [{"title": " ".join(where), **totals[where]} for where in sorted(totals)],
        "commands": sum(accepted.values()) + sum(sum(reasons.values()) for reasons in refused.values()),
        "accepted": dict(sorted(accepted.items())),
        "refused": {method: dict(sorted(reasons.items())) for method, reasons in sorted(refused.items())},
        "certificates": sorted(register),
    }


def count_enrolment(enrolment, totals, count, register):
    started = enrolment.accepted
    ok = count("applications.SubmitApplication", None if started else "ACTIVE_PLACEMENT_EXISTS")
    for method in FOLLOWING:
        count(f"applications.{method}", None if started else "APPLICATION_UNKNOWN")
    if enrolment.passed:
        completes = started and enrolment.completes
        count("evaluations.RecordEvaluation", None if completes else "PLACEMENT_NOT_ACTIVE")
        count("certificates.IssueCertificate", None if completes else "NOT_ELIGIBLE")
    if enrolment.leaves is not None or not enrolment.passed:
        terminates = started and not enrolment.completes
        count("placements.TerminatePlacement", None if terminates else "PLACEMENT_NOT_ACTIVE")
    if not ok:
        return
    row = totals[enrolment.where]
    for figure in ("applications", "accepted", "placements"):
        row[figure] += 1
    if enrolment.completes:
        for figure in ("completed", "evaluations", "certificates"):
            row[figure] += 1
        register.append([f"Student {enrolment.student}", " ".join(enrolment.where), enrolment.ends_on.isoformat()])
    else:
        row["terminated"] += 1


def work(directory, lengths):
    """The submissions that are imported: handed in for this presentation, and no exam."""
    assessments = {r["id_assessment"]: r for r in load(directory, "assessments.csv")}
    for row in load(directory, "studentAssessment.csv"):
        assessment = assessments[row["id_assessment"]]
        if row["is_banked"] != "0" or assessment["assessment_type"] == "Exam":
            continue
        where = presentation_of(assessment)
        due = day_or_none(assessment["date"])
        yield {
            "student": row["id_student"],
            "where": where,
            "day": max(0, int(row["date_submitted"])),
            "due": lengths[where] if due is None else due,
            "score": day_or_none(row["score"]),
        }


def count_work(row, enrolment, totals, count):
    total = totals[enrolment.where]
    if count("tasks.AssignTask", None if enrolment.runs_on(0) else "PLACEMENT_NOT_ACTIVE"):
        total["tasks"] += 1
    in_time = enrolment.runs_on(row["day"])
    if count("tasks.SubmitWork", None if in_time else "PLACEMENT_NOT_ACTIVE"):
        total["submissions"] += 1
        total["submissions_late"] += row["day"] > row["due"]
    if row["score"] is None:
        return
    if count("tasks.ReviewSubmission", None if in_time else "PLACEMENT_NOT_ACTIVE"):
        total["score_sum"] += row["score"]
        total["reviews_accepted" if row["score"] >= 40 else "reviews_needing_revision"] += 1


def main():
    parser = argparse.ArgumentParser(description="What a right import of the OULAD files must show.")
    parser.add_argument("directory", type=pathlib.Path, metavar="DIR", help="the folder with the CSV files")
    options = parser.parse_args()
    # A presentation whose every application was refused is unknown to the server, and so it is here.
    expected = expect(options.directory)
    print(json.dumps(expected, indent=1))


if __name__ == "__main__":
    main()
