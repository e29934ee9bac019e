UPDATE task SET last_score = :score WHERE task_id = :task_id;
