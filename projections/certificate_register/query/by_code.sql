-- What anybody may know who was shown the code. `code` without hyphens, in capitals.
-- order: certificate_id
SELECT certificate_id, placement_id, status, holder_name, internship_title, employer_name, start_date, end_date,
  issuer_name
FROM certificate
WHERE code_key = :code;
