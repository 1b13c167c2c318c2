SELECT count(*) = 2 FROM {schema}.t;
SELECT count(*) = 1 FROM public.awsdms_apply_exceptions WHERE "TABLE_OWNER" = '{schema}' AND "ERROR" LIKE '%column u, key (77)%'
