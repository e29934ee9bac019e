UPDATE application SET state = 'OFFERED', changed_at = :occurred_at, offer_valid_until = :valid_until
WHERE application_id = :application_id;
