UPDATE progress SET state = 'ACTIVE' WHERE placement_id = :placement_id;
