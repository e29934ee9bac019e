UPDATE report SET accepted = accepted + 1 WHERE internship_id = :internship_id;
