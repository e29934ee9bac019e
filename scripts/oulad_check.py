#!/usr/bin/env python3
"""Whether the commands of `oulad_commands.py` lead to what `oulad_expected.py` predicts, without a server.

    scripts/oulad_check.py commands.ndjson expected.json

Plays the lines, in their order, against the domain's rules in their shortest form: one table a service, no events. It
guards against a mistake in either script, long before an import: the two were written apart, and this is where they
meet. It also checks what an import relies on: request ids are unique, and the time of each student only moves forward.
"""

import json
import sys
from collections import Counter, defaultdict
from datetime import date


class Refused(Exception):
    """A rule said no; its argument is the reason."""


class World:
    """Applications, placements and what hangs on them."""

    def __init__(self):
        self.applied, self.held = set(), {}
        self.applications, self.placements = {}, {}
        self.tasks, self.submissions = {}, {}
        self.eligible, self.certificates = set(), []
        self.totals = defaultdict(Counter)

    def application(self, request, state):
        application = self.applications.get(request["applicationId"])
        if application is None:
            raise Refused("APPLICATION_UNKNOWN")
        if application["state"] != state:
            raise Refused("APPLICATION_STATE")
        return application

    def active(self, request):
        placement = self.placements.get(request["placementId"])
        if placement is None or placement["state"] != "active":
            raise Refused("PLACEMENT_NOT_ACTIVE")
        return placement, self.totals[placement["title"]]

    def end(self, placement, state):
        placement["state"] = state
        del self.held[placement["student"]]
        self.totals[placement["title"]][state] += 1

    def submit_application(self, request):
        student, internship = request["studentId"], request["internship"]
        if student in self.held:
            raise Refused("ACTIVE_PLACEMENT_EXISTS")
        if (student, internship["internshipId"]) in self.applied:
            raise Refused("ALREADY_APPLIED")
        self.applied.add((student, internship["internshipId"]))
        self.applications[request["applicationId"]] = {
            "state": "submitted",
            "student": student,
            "title": internship["title"],
            "name": request["profile"]["name"],
        }
        self.totals[internship["title"]]["applications"] += 1

    def shortlist_application(self, request):
        self.application(request, "submitted")["state"] = "shortlisted"

    def schedule_interview(self, request):
        assert request["scheduledAt"] > request["occurredAt"]
        self.application(request, "shortlisted")["state"] = "scheduled"

    def complete_interview(self, request):
        self.application(request, "scheduled")["state"] = "interviewed"

    def make_offer(self, request):
        application = self.application(request, "interviewed")
        application.update(state="offered", terms=request["terms"], until=request["validUntil"])

    def accept_offer(self, request):
        application = self.application(request, "offered")
        if application["student"] in self.held:
            raise Refused("ACTIVE_PLACEMENT_EXISTS")
        if request["occurredAt"] > application["until"]:
            raise Refused("OFFER_EXPIRED")
        application["state"] = "accepted"
        self.held[application["student"]] = request["placementId"]
        terms = application["terms"]
        self.placements[request["placementId"]] = {
            **application,
            "state": "active",
            "start": date.fromisoformat(terms["startDate"]),
            "days": terms["minimumDays"],
            "present": set(),
        }
        self.totals[application["title"]].update(["accepted", "placements"])

    def assign_task(self, request):
        placement, totals = self.active(request)
        assert request["taskId"] not in self.tasks
        assert request["occurredAt"][:10] == placement["start"].isoformat()
        self.tasks[request["taskId"]] = request["dueAt"]
        totals["tasks"] += 1

    def clock_in(self, request):
        placement, totals = self.active(request)
        assert date.fromisoformat(request["date"]) >= placement["start"]
        assert request["occurredAt"].startswith(request["date"])
        totals["days_present"] += request["date"] not in placement["present"]
        placement["present"].add(request["date"])

    def submit_work(self, request):
        _, totals = self.active(request)
        if request["taskId"] not in self.tasks:
            raise Refused("TASK_UNKNOWN")
        assert request["submissionId"] not in self.submissions
        self.submissions[request["submissionId"]] = "handed in"
        totals["submissions"] += 1
        totals["submissions_late"] += request["occurredAt"] > self.tasks[request["taskId"]]

    def review_submission(self, request):
        _, totals = self.active(request)
        if self.submissions.get(request["submissionId"]) != "handed in":
            raise Refused("SUBMISSION_UNKNOWN")
        verdict = request["verdict"].removeprefix("REVIEW_VERDICT_")
        self.submissions[request["submissionId"]] = verdict
        totals["reviews_accepted" if verdict == "ACCEPTED" else "reviews_needing_revision"] += 1
        totals["score_sum"] += request["score"]

    def record_evaluation(self, request):
        placement, totals = self.active(request)
        today = date.fromisoformat(request["occurredAt"][:10])
        if (today - placement["start"]).days < placement["days"]:
            raise Refused("EVALUATION_TOO_EARLY")
        assert len({rating["category"] for rating in request["ratings"]}) == 5
        totals["evaluations"] += 1
        self.end(placement, "completed")
        placement["end"] = today
        self.eligible.add(request["placementId"])

    def issue_certificate(self, request):
        if request["placementId"] not in self.eligible:
            raise Refused("NOT_ELIGIBLE")
        self.eligible.remove(request["placementId"])
        placement = self.placements[request["placementId"]]
        self.certificates.append([placement["name"], placement["title"], placement["end"].isoformat()])
        self.totals[placement["title"]]["certificates"] += 1

    def terminate_placement(self, request):
        placement, _ = self.active(request)
        self.end(placement, "terminated")


def snake(name):
    return "".join("_" + letter.lower() if letter.isupper() else letter for letter in name).lstrip("_")


def play(lines):
    world, accepted, refused = World(), Counter(), defaultdict(Counter)
    ids, times = set(), {}
    for line in map(json.loads, lines):
        request, name = line["request"], f"{line['service']}.{line['method']}"
        assert request["requestId"] not in ids, f"request id twice: {line}"
        ids.add(request["requestId"])
        assert times.get(line["key"], "") < request["occurredAt"], f"time runs backwards: {line}"
        times[line["key"]] = request["occurredAt"]
        try:
            getattr(world, snake(line["method"]))(request)
            accepted[name] += 1
        except Refused as refusal:
            refused[name][refusal.args[0]] += 1
    return world, accepted, refused


def main():
    commands, expected = sys.argv[1:]
    with open(commands, encoding="utf-8") as file:
        world, accepted, refused = play(file)
    with open(expected, encoding="utf-8") as file:
        expected = json.load(file)
    totals = {i.pop("title"): {figure: n for figure, n in i.items() if n} for i in expected["internships"]}
    played = {title: {figure: n for figure, n in row.items() if n} for title, row in world.totals.items()}
    compare("accepted", dict(accepted), expected["accepted"])
    compare("refused", {method: dict(reasons) for method, reasons in refused.items()}, expected["refused"])
    compare("internships", played, totals)
    compare("certificates", sorted(world.certificates), expected["certificates"])
    print(f"{expected['commands']} commands lead to the expected totals of {len(totals)} internships")


def compare(what, played, expected):
    if played != expected:
        sys.exit(f"{what} differ\nplayed:   {played}\nexpected: {expected}")


if __name__ == "__main__":
    main()
