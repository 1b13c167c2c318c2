SELECT count(*) = 0 FROM information_schema.columns
WHERE table_schema = '{schema}' AND column_name IN ('code', 'shown', 'gross');
SELECT array_agg(concat_ws('|', id, subject, subject_length, stored_length) ORDER BY id)
    = ARRAY['1|printers|8|16', '2|screen|6|12', '3|mouse|5|10', '4'] FROM {schema}.tickets;
SELECT array_agg(concat_ws('|', id, net) ORDER BY id) = ARRAY['1|10', '2|50', '3|100']
FROM {schema}.prices;
