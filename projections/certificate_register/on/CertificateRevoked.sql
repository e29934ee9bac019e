UPDATE certificate SET status = 'REVOKED', revoked_at = :occurred_at, revoke_reason = :reason
WHERE certificate_id = :certificate_id;
