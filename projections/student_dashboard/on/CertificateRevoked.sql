UPDATE placement SET certificate_status = 'REVOKED' WHERE placement_id = :placement_id;
