UPDATE internship SET placements_active = placements_active - 1 WHERE internship_id = :internship_id;
