create /* gh-ost */ table `{schema}`.`_t_gho` like `{schema}`.`t`;
alter /* gh-ost */ table `{schema}`.`_t_gho` add column w int default 3;
insert /* gh-ost */ ignore into `{schema}`.`_t_gho` (`k`, `v`) select `k`, `v` from `{schema}`.`t`;
rename /* gh-ost */ table `{schema}`.`t` to `{schema}`.`_t_del`, `{schema}`.`_t_gho` to `{schema}`.`t`;
INSERT INTO t VALUES (2,'b',4);
drop /* gh-ost */ table if exists `{schema}`.`_t_del`;
INSERT INTO other VALUES (1);
