UPDATE progress SET state = 'COMPLETED', end_date = :end_date WHERE placement_id = :placement_id;
