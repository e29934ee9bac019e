INSERT INTO progress (placement_id, student_id, internship_id, employer_id, title, state, start_date, minimum_days, terms)
VALUES (:placement_id, :student_id, :internship_id, :employer_id, :title, 'ACTIVE', :start_date, :minimum_days, :terms)
ON CONFLICT (placement_id) DO UPDATE SET
  employer_id = excluded.employer_id,
  title = excluded.title,
  state = excluded.state,
  start_date = excluded.start_date,
  minimum_days = excluded.minimum_days,
  terms = excluded.terms;
