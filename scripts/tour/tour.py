#!/usr/bin/env python3
"""One student from application to certificate, in Python. tour.sh takes the same steps with grpcurl.

    python3 -m venv target/tools && target/tools/bin/pip install grpcio-tools
    target/tools/bin/python scripts/tour/tour.py [ANNALS-BINARY [DATA-DIRECTORY [IP:PORT]]]
"""

import pathlib
import subprocess
import sys
import tempfile
import uuid
from datetime import datetime, timedelta, timezone

import grpc
from grpc_tools import protoc

PROTO = pathlib.Path(__file__).parents[2] / "proto"
ANNALS, DATA, ADDRESS = (sys.argv[1:] + ["target/release/annals", "data", "127.0.0.1:7400"][len(sys.argv) - 1 :])[:3]

# The client is made from the protos, here at every run.
made = tempfile.mkdtemp()
files = [str(path.relative_to(PROTO)) for path in PROTO.glob("annals/**/*.proto")]
include = str(pathlib.Path(protoc.__file__).parent / "_proto")
protoc.main(["", f"-I{PROTO}", f"-I{include}", f"--python_out={made}", f"--grpc_python_out={made}", *files])
sys.path.insert(0, made)

from annals.applications.v1 import applications_pb2 as applications
from annals.applications.v1 import applications_pb2_grpc
from annals.attendance.v1 import attendance_pb2 as attendance
from annals.attendance.v1 import attendance_pb2_grpc
from annals.audit.v1 import audit_pb2 as audit
from annals.audit.v1 import audit_pb2_grpc
from annals.certificates.v1 import certificates_pb2 as certificates
from annals.certificates.v1 import certificates_pb2_grpc
from annals.common.v1 import terms_pb2 as terms
from annals.evaluations.v1 import evaluations_pb2 as evaluations
from annals.evaluations.v1 import evaluations_pb2_grpc
from annals.operations.v1 import operations_pb2 as operations
from annals.operations.v1 import operations_pb2_grpc
from annals.readmodels.v1 import readmodels_pb2 as readmodels
from annals.readmodels.v1 import readmodels_pb2_grpc
from annals.tasks.v1 import tasks_pb2 as tasks
from annals.tasks.v1 import tasks_pb2_grpc

NOW = datetime.now(timezone.utc)


def new_id():
    return str(uuid.uuid4())


def caller(role, subject):
    """What a call of this actor carries: the token of who it is and in which role."""
    mint = [ANNALS, "token", "mint", "--data", DATA, "--role", role, "--subject", subject]
    token = subprocess.run(mint, check=True, capture_output=True, text=True).stdout.strip()
    return {"metadata": [("authorization", f"Bearer {token}")]}


channel = grpc.insecure_channel(ADDRESS)
apply = applications_pb2_grpc.ApplicationsServiceStub(channel)
attend = attendance_pb2_grpc.AttendanceServiceStub(channel)
work = tasks_pb2_grpc.TasksServiceStub(channel)
evaluate = evaluations_pb2_grpc.EvaluationsServiceStub(channel)
certify = certificates_pb2_grpc.CertificatesServiceStub(channel)
operate = operations_pb2_grpc.OperationsServiceStub(channel)
read = readmodels_pb2_grpc.ReadModelsServiceStub(channel)
look_back = audit_pb2_grpc.AuditServiceStub(channel)

student, employer = new_id(), new_id()
as_student, as_employer = caller("student", student), caller("employer", employer)
as_admin, as_auditor = caller("admin", new_id()), caller("auditor", new_id())
application, placement, task, submission, certificate = (new_id() for _ in range(5))

apply.SubmitApplication(
    applications.SubmitApplicationRequest(
        request_id=new_id(),
        application_id=application,
        student_id=student,
        internship=applications.Internship(
            internship_id=new_id(),
            employer_id=employer,
            title="Systems engineering",
            employer_name="Example Works",
            description="Build a log",
        ),
        profile=applications.Profile(name="Ada Example", email="ada@example.org", statement="I keep records"),
    ),
    **as_student,
)
step = {"application_id": application}
apply.ShortlistApplication(applications.ShortlistApplicationRequest(request_id=new_id(), **step), **as_employer)
apply.ScheduleInterview(
    applications.ScheduleInterviewRequest(request_id=new_id(), scheduled_at=NOW + timedelta(days=1), **step),
    **as_employer,
)
apply.CompleteInterview(
    applications.CompleteInterviewRequest(request_id=new_id(), notes="Went well", **step), **as_employer
)
apply.MakeOffer(
    applications.MakeOfferRequest(
        request_id=new_id(),
        valid_until=NOW + timedelta(days=7),
        terms=terms.PlacementTerms(
            start_date=f"{NOW:%Y-%m-%d}",
            required_attendance_rate=1,
            required_task_share=1,
            kpis=[terms.KpiDefinition(kpi=terms.KPI_MEAN_SCORE, target=60, mandatory=True)],
        ),
        **step,
    ),
    **as_employer,
)
accepted = apply.AcceptOffer(
    applications.AcceptOfferRequest(request_id=new_id(), placement_id=placement, **step), **as_student
)
# Accepting starts the placement in another service. The token of the reply waits for that.
operate.AwaitProcesses(
    operations.AwaitProcessesRequest(consistency_token=accepted.consistency_token), **as_student
)

step = {"placement_id": placement}
attend.ClockIn(attendance.ClockInRequest(request_id=new_id(), date=f"{NOW:%Y-%m-%d}", **step), **as_student)
work.AssignTask(
    tasks.AssignTaskRequest(
        request_id=new_id(),
        task_id=task,
        title="Draw the bytes",
        description="Before writing them",
        due_at=NOW + timedelta(days=3),
        mandatory=True,
        **step,
    ),
    **as_employer,
)
work.SubmitWork(
    tasks.SubmitWorkRequest(
        request_id=new_id(),
        task_id=task,
        submission_id=submission,
        artifacts=[tasks.Artifact(link="https://example.org/bytes", name="The drawing")],
        **step,
    ),
    **as_student,
)
work.ReviewSubmission(
    tasks.ReviewSubmissionRequest(
        request_id=new_id(),
        submission_id=submission,
        verdict=tasks.REVIEW_VERDICT_ACCEPTED,
        score=90,
        feedback="Clear",
        **step,
    ),
    **as_employer,
)
evaluated = evaluate.RecordEvaluation(
    evaluations.RecordEvaluationRequest(
        request_id=new_id(),
        ratings=[
            evaluations.CategoryRating(category=category, rating=rating)
            for category, rating in [
                (evaluations.CATEGORY_QUALITY, 5),
                (evaluations.CATEGORY_RELIABILITY, 4),
                (evaluations.CATEGORY_INITIATIVE, 4),
                (evaluations.CATEGORY_TEAMWORK, 5),
                (evaluations.CATEGORY_COMMUNICATION, 4),
            ]
        ],
        comments="Would hire",
        **step,
    ),
    **as_employer,
)
operate.AwaitProcesses(
    operations.AwaitProcessesRequest(consistency_token=evaluated.consistency_token), **as_employer
)

issued = certify.IssueCertificate(
    certificates.IssueCertificateRequest(
        request_id=new_id(), certificate_id=certificate, issuer_name="Example Academy", **step
    ),
    **as_admin,
)
# A query that carries the token sees at least what the command wrote.
dashboard = read.GetStudentDashboard(
    readmodels.GetStudentDashboardRequest(student_id=student, consistency_token=issued.consistency_token),
    **as_student,
)
print(dashboard)
print(certify.VerifyCertificate(certificates.VerifyCertificateRequest(code=dashboard.placements[0].verification_code)))
history = look_back.GetHistory(
    audit.GetHistoryRequest(target_id=student, consistency_token=issued.consistency_token), **as_auditor
)
print(*(event.type for event in history.events))

# Every error names its reason, and what to do.
try:
    attend.ClockIn(attendance.ClockInRequest(request_id="mine", placement_id=placement), **as_student)
except grpc.RpcError as error:
    print(error.code(), error.details())
