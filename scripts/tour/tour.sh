#!/usr/bin/env bash
# One student from application to certificate, with grpcurl. tour.py takes the same steps in Python.
#
# scripts/tour/tour.sh [ANNALS-BINARY [DATA-DIRECTORY [IP:PORT]]]     while `annals serve` runs there
set -euo pipefail
annals=${1:-target/release/annals} data=${2:-data} address=${3:-127.0.0.1:7400}

id() { cat /proc/sys/kernel/random/uuid; }
day() { date -u -d "$1" +%Y-%m-%dT%H:%M:%SZ; }
token() { "$annals" token mint --data "$data" --role "$1" --subject "$2"; }

# call TOKEN SERVICE/METHOD JSON
call() {
  printf '\n-- %s\n' "$2" >&2
  grpcurl -plaintext -H "authorization: Bearer $1" -d "$3" "$address" "annals.$2"
}
shown() { tee >(cat >&2); }
rating() { printf '{"category": "CATEGORY_%s", "rating": %s}' "$1" "$2"; }
field() { sed -n "s/.*\"$1\": \"\([^\"]*\)\".*/\1/p" | head -n 1; }

# Whoever acts has an id, and a token that says who it is and in which role.
student=$(id) employer=$(id) admin=$(id)
as_student=$(token student "$student")
as_employer=$(token employer "$employer")
as_admin=$(token admin "$admin")
as_auditor=$(token auditor "$(id)")

# Ids are chosen by whoever creates something; request_id makes a retry the same command.
application=$(id) internship=$(id) placement=$(id) task=$(id) submission=$(id) certificate=$(id)

call "$as_student" applications.v1.ApplicationsService/SubmitApplication "{
  \"request_id\": \"$(id)\", \"application_id\": \"$application\", \"student_id\": \"$student\",
  \"internship\": {\"internship_id\": \"$internship\", \"employer_id\": \"$employer\", \"title\": \"Systems engineering\",
                   \"employer_name\": \"Example Works\", \"description\": \"Build a log\"},
  \"profile\": {\"name\": \"Ada Example\", \"email\": \"ada@example.org\", \"statement\": \"I keep records\"}}"
call "$as_employer" applications.v1.ApplicationsService/ShortlistApplication \
  "{\"request_id\": \"$(id)\", \"application_id\": \"$application\"}"
call "$as_employer" applications.v1.ApplicationsService/ScheduleInterview \
  "{\"request_id\": \"$(id)\", \"application_id\": \"$application\", \"scheduled_at\": \"$(day '+1 day')\"}"
call "$as_employer" applications.v1.ApplicationsService/CompleteInterview \
  "{\"request_id\": \"$(id)\", \"application_id\": \"$application\", \"notes\": \"Went well\"}"
call "$as_employer" applications.v1.ApplicationsService/MakeOffer "{
  \"request_id\": \"$(id)\", \"application_id\": \"$application\", \"valid_until\": \"$(day '+7 days')\",
  \"terms\": {\"start_date\": \"$(date -u +%F)\", \"minimum_days\": 0, \"required_attendance_rate\": 1, \"required_task_share\": 1,
              \"kpis\": [{\"kpi\": \"KPI_MEAN_SCORE\", \"target\": 60, \"mandatory\": true}]}}"

# Accepting starts the placement in another service. The token of the reply waits for that.
accepted=$(call "$as_student" applications.v1.ApplicationsService/AcceptOffer \
  "{\"request_id\": \"$(id)\", \"application_id\": \"$application\", \"placement_id\": \"$placement\"}" | shown | field consistencyToken)
call "$as_student" operations.v1.OperationsService/AwaitProcesses "{\"consistency_token\": \"$accepted\"}"

call "$as_student" attendance.v1.AttendanceService/ClockIn \
  "{\"request_id\": \"$(id)\", \"placement_id\": \"$placement\", \"date\": \"$(date -u +%F)\"}"
call "$as_employer" tasks.v1.TasksService/AssignTask "{
  \"request_id\": \"$(id)\", \"placement_id\": \"$placement\", \"task_id\": \"$task\", \"title\": \"Draw the bytes\",
  \"description\": \"Before writing them\", \"due_at\": \"$(day '+3 days')\", \"mandatory\": true}"
call "$as_student" tasks.v1.TasksService/SubmitWork "{
  \"request_id\": \"$(id)\", \"placement_id\": \"$placement\", \"task_id\": \"$task\", \"submission_id\": \"$submission\",
  \"artifacts\": [{\"link\": \"https://example.org/bytes\", \"name\": \"The drawing\"}], \"comment\": \"Done\"}"
call "$as_employer" tasks.v1.TasksService/ReviewSubmission "{
  \"request_id\": \"$(id)\", \"placement_id\": \"$placement\", \"submission_id\": \"$submission\",
  \"verdict\": \"REVIEW_VERDICT_ACCEPTED\", \"score\": 90, \"feedback\": \"Clear\"}"

# The evaluation finalises the KPIs; the placement completes by itself; the student becomes eligible.
evaluated=$(call "$as_employer" evaluations.v1.EvaluationsService/RecordEvaluation "{
  \"request_id\": \"$(id)\", \"placement_id\": \"$placement\",
  \"ratings\": [$(rating QUALITY 5), $(rating RELIABILITY 4), $(rating INITIATIVE 4), $(rating TEAMWORK 5),
               $(rating COMMUNICATION 4)],
  \"comments\": \"Would hire\"}" | shown | field consistencyToken)
call "$as_employer" operations.v1.OperationsService/AwaitProcesses "{\"consistency_token\": \"$evaluated\"}"

issued=$(call "$as_admin" certificates.v1.CertificatesService/IssueCertificate "{
  \"request_id\": \"$(id)\", \"placement_id\": \"$placement\", \"certificate_id\": \"$certificate\",
  \"issuer_name\": \"Example Academy\"}" | shown | field consistencyToken)

# A query that carries the token sees at least what the command wrote.
code=$(call "$as_student" readmodels.v1.ReadModelsService/GetStudentDashboard \
  "{\"student_id\": \"$student\", \"consistency_token\": \"$issued\"}" | shown | field verificationCode)
printf '\n-- certificates.v1.CertificatesService/VerifyCertificate, without a token\n' >&2
grpcurl -plaintext -d "{\"code\": \"$code\"}" "$address" annals.certificates.v1.CertificatesService/VerifyCertificate

call "$as_auditor" audit.v1.AuditService/GetHistory \
  "{\"target_id\": \"$student\", \"consistency_token\": \"$issued\"}" | grep '"type"'
