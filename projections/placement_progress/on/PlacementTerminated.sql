UPDATE progress SET state = 'TERMINATED', end_date = :end_date WHERE placement_id = :placement_id;
