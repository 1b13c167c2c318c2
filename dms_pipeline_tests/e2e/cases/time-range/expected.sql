SELECT a = '-00:00:01' AND b = '-00:00:00.500000' FROM {schema}.t WHERE k = 2
