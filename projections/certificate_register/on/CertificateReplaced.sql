UPDATE certificate SET status = 'REPLACED', replaced_by = :certificate_id
WHERE certificate_id = :revoked_certificate_id;

INSERT INTO certificate (certificate_id, code, code_key, placement_id, student_id, internship_id, status, holder_name,
  internship_title, employer_name, start_date, end_date, issuer_name, version, issued_at)
VALUES (:certificate_id, :code, upper(replace(CAST(:code AS TEXT), '-', '')), :placement_id, :student_id,
  :internship_id, 'VALID', :student_name, :title, :employer_name, :start_date, :end_date, :issuer_name, :version,
  :occurred_at);
