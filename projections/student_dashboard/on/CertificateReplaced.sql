INSERT INTO placement (placement_id, student_id, certificate_id, certificate_status, verification_code)
VALUES (:placement_id, :student_id, :certificate_id, 'VALID', :code)
ON CONFLICT (placement_id) DO UPDATE SET
  certificate_id = excluded.certificate_id,
  certificate_status = excluded.certificate_status,
  verification_code = excluded.verification_code;
