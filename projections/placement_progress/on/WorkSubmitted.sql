UPDATE progress SET
  submissions = submissions + 1,
  submissions_late = submissions_late + CAST(:late AS BIGINT),
  tasks_submitted = tasks_submitted + CAST(:first AS BIGINT),
  tasks_on_time = tasks_on_time + CAST(:first AS BIGINT) * (1 - CAST(:late AS BIGINT)),
  mandatory_submitted = mandatory_submitted
    + CAST(:first AS BIGINT) * (SELECT t.mandatory FROM task t WHERE t.task_id = :task_id)
WHERE placement_id = :placement_id;
