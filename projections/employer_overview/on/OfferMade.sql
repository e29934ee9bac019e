UPDATE internship SET offers = offers + 1 WHERE internship_id = :internship_id;
