UPDATE internship SET applications_open = applications_open - 1 WHERE internship_id = :internship_id;
