UPDATE progress SET state = 'ON_HOLD' WHERE placement_id = :placement_id;
