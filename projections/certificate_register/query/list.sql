-- Every certificate.
-- order: certificate_id
SELECT certificate_id, code, placement_id, student_id, internship_id, status, holder_name, internship_title, employer_name,
  start_date, end_date, issuer_name, version, wording, issued_at, revoked_at, revoke_reason, replaced_by
FROM certificate;
